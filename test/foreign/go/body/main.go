// Buffers the request body, edits it as the x-edit header says, and answers an empty one itself.
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

type stream struct {
	types.DefaultHttpContext
	edit string
}

func (s *stream) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	s.edit, _ = proxywasm.GetHttpRequestHeader("x-edit")
	if endOfStream {
		if err := proxywasm.SendHttpResponse(400, [][2]string{{"x-reason", "no body"}}, []byte("a body is needed"), -1); err != nil {
			proxywasm.LogCriticalf("local response: %v", err)
		}
		return types.ActionPause
	}
	_ = proxywasm.RemoveHttpRequestHeader("content-length")
	return types.ActionContinue
}

func (s *stream) OnHttpRequestBody(size int, endOfStream bool) types.Action {
	if !endOfStream {
		return types.ActionPause
	}
	body, err := proxywasm.GetHttpRequestBody(0, size)
	if err != nil {
		proxywasm.LogCriticalf("body: %v", err)
		return types.ActionContinue
	}
	proxywasm.LogInfof("body of %d bytes: %s", size, body)
	switch s.edit {
	case "prepend":
		err = proxywasm.PrependHttpRequestBody([]byte("<"))
	case "append":
		err = proxywasm.AppendHttpRequestBody([]byte(">"))
	case "replace":
		err = proxywasm.ReplaceHttpRequestBody([]byte("replaced"))
	}
	if err != nil {
		proxywasm.LogCriticalf("edit: %v", err)
	}
	return types.ActionContinue
}
