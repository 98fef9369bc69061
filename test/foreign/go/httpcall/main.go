// Asks a cluster before a request goes on: 200 lets it pass, anything else and no answer refuse it.
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
	headers := [][2]string{{":method", "GET"}, {":path", "/check"}, {":authority", "auth"}}
	if _, err := proxywasm.DispatchHttpCall("unknown", headers, nil, nil, 500, s.answered); err == nil {
		proxywasm.LogCritical("a call to an unknown cluster was taken")
	}
	if _, err := proxywasm.DispatchHttpCall("web", headers, []byte("ask"), nil, 500, s.answered); err != nil {
		proxywasm.LogCriticalf("call: %v", err)
		return types.ActionContinue
	}
	return types.ActionPause
}

func (s *stream) answered(headers, size, trailers int) {
	status := ""
	answer, err := proxywasm.GetHttpCallResponseHeaders()
	if err == nil {
		for _, header := range answer {
			if header[0] == ":status" {
				status = header[1]
			}
		}
	}
	body, err := proxywasm.GetHttpCallResponseBody(0, size)
	proxywasm.LogInfof("status %q, %d headers, body %q, %v", status, headers, body, err)
	if status == "200" {
		if err := proxywasm.AddHttpRequestHeader("x-user", string(body)); err != nil {
			proxywasm.LogCriticalf("add: %v", err)
		}
		_ = proxywasm.ResumeHttpRequest()
		return
	}
	_ = proxywasm.SendHttpResponse(403, nil, []byte("refused"), -1)
}
