// Answers by itself in the response phase, calls foreign functions, and closes a stream.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(contextID uint32) types.PluginContext { return &plugin{} }

type plugin struct{ types.DefaultPluginContext }

func (*plugin) NewHttpContext(contextID uint32) types.HttpContext { return &stream{} }

type stream struct{ types.DefaultHttpContext }

func (s *stream) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	packed, err := proxywasm.CallForeignFunction("compress", []byte("aaaaaaaaaaaaaaaaaaaaaaaa"))
	if err != nil {
		proxywasm.LogCriticalf("compress: %v", err)
	}
	unpacked, err := proxywasm.CallForeignFunction("uncompress", packed)
	proxywasm.LogInfof("%x gives %q, %v", packed[:2], unpacked, err)
	if _, err := proxywasm.CallForeignFunction("no_such_function", nil); err != types.ErrorStatusNotFound {
		proxywasm.LogCriticalf("unknown function: %v", err)
	}
	if err := proxywasm.SetProperty([]string{"color"}, []byte("green")); err != nil {
		proxywasm.LogCriticalf("set property: %v", err)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(count int, endOfStream bool) types.Action {
	color, err := proxywasm.GetProperty([]string{"color"})
	proxywasm.LogInfof("color %s, %v", color, err)
	if status, _ := proxywasm.GetHttpResponseHeader(":status"); status == "500" {
		if err := proxywasm.SendHttpResponse(502, [][2]string{{"x-was", status}}, []byte("upstream failed"), -1); err != nil {
			proxywasm.LogCriticalf("local response: %v", err)
		}
		return types.ActionPause
	}
	return types.ActionContinue
}
