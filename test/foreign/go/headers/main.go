// Adds, replaces and removes headers, lists them, and reads properties and the plugin configuration.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(contextID uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	value string
}

func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogCriticalf("no configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.value = string(configuration)
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(contextID uint32) types.HttpContext {
	return &stream{id: contextID, value: p.value}
}

type stream struct {
	types.DefaultHttpContext
	id    uint32
	value string
}

func (s *stream) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	headers, err := proxywasm.GetHttpRequestHeaders()
	if err != nil || len(headers) != count {
		proxywasm.LogCriticalf("%d headers, expected %d: %v", len(headers), count, err)
	}
	for _, header := range headers {
		proxywasm.LogInfof("request header %s: %s", header[0], header[1])
	}
	if _, err := proxywasm.GetHttpRequestHeader("x-absent"); err != types.ErrorStatusNotFound {
		proxywasm.LogCriticalf("absent header: %v", err)
	}
	if err := proxywasm.AddHttpRequestHeader("x-added", s.value); err != nil {
		proxywasm.LogCriticalf("add: %v", err)
	}
	if err := proxywasm.ReplaceHttpRequestHeader("x-replaced", "new"); err != nil {
		proxywasm.LogCriticalf("replace: %v", err)
	}
	if err := proxywasm.RemoveHttpRequestHeader("x-removed"); err != nil {
		proxywasm.LogCriticalf("remove: %v", err)
	}
	if address, err := proxywasm.GetProperty([]string{"source", "address"}); err == nil {
		proxywasm.LogInfof("source %s", address)
	}
	if name, err := proxywasm.GetProperty([]string{"plugin_name"}); err == nil {
		proxywasm.LogInfof("plugin %s", name)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(count int, endOfStream bool) types.Action {
	if err := proxywasm.AddHttpResponseHeader("x-response", s.value); err != nil {
		proxywasm.LogCriticalf("add: %v", err)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpStreamDone() { proxywasm.LogInfof("stream %d done", s.id) }
