// Calls a cluster on every tick and stops ticking after the third answer; panics when asked to.
package main

import (
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(contextID uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	answers int
}

func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	if err := proxywasm.SetTickPeriodMilliSeconds(100); err != nil {
		proxywasm.LogCriticalf("tick period: %v", err)
	}
	return types.OnPluginStartStatusOK
}

func (p *plugin) OnTick() {
	headers := [][2]string{{":method", "GET"}, {":path", "/tick"}, {":authority", "clock"}}
	if _, err := proxywasm.DispatchHttpCall("web", headers, nil, nil, 1000, p.answered); err != nil {
		proxywasm.LogCriticalf("call: %v", err)
	}
}

func (p *plugin) answered(headers, size, trailers int) {
	p.answers++
	proxywasm.LogInfof("answer %d with %d headers", p.answers, headers)
	if p.answers == 3 {
		_ = proxywasm.SetTickPeriodMilliSeconds(0)
	}
}

func (p *plugin) NewHttpContext(contextID uint32) types.HttpContext { return &stream{} }

type stream struct{ types.DefaultHttpContext }

func (s *stream) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	path, _ := proxywasm.GetHttpRequestHeader(":path")
	if strings.HasPrefix(path, "/panic") {
		panic("asked to")
	}
	return types.ActionContinue
}
