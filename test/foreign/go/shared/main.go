// Counts requests in shared data with compare-and-swap, puts each path into a queue and reads it back in OnQueueReady, and
// keeps one metric of each kind.
package main

import (
	"encoding/binary"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(contextID uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	queue     uint32
	requests  proxywasm.MetricCounter
	active    proxywasm.MetricGauge
	pathBytes proxywasm.MetricHistogram
}

func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	queue, err := proxywasm.RegisterSharedQueue("paths")
	if err != nil {
		proxywasm.LogCriticalf("queue: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.queue = queue
	p.requests = proxywasm.DefineCounterMetric("requests")
	p.active = proxywasm.DefineGaugeMetric("active")
	p.pathBytes = proxywasm.DefineHistogramMetric("path_bytes")
	return types.OnPluginStartStatusOK
}

func (p *plugin) OnQueueReady(queue uint32) {
	item, err := proxywasm.DequeueSharedQueue(queue)
	if err != nil {
		proxywasm.LogCriticalf("dequeue: %v", err)
		return
	}
	proxywasm.LogInfof("dequeued %s", item)
}

func (p *plugin) NewHttpContext(contextID uint32) types.HttpContext { return &stream{plugin: p} }

type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

func (s *stream) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	path, _ := proxywasm.GetHttpRequestHeader(":path")
	s.plugin.requests.Increment(1)
	s.plugin.active.Add(1)
	s.plugin.pathBytes.Record(uint64(len(path)))
	proxywasm.LogInfof("request number %d", increment("count"))
	queue, err := proxywasm.ResolveSharedQueue("vm", "paths")
	if err != nil {
		proxywasm.LogCriticalf("resolve: %v", err)
		return types.ActionContinue
	}
	if err := proxywasm.EnqueueSharedQueue(queue, []byte(path)); err != nil {
		proxywasm.LogCriticalf("enqueue: %v", err)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpStreamDone() { s.plugin.active.Add(-1) }

func increment(key string) uint64 {
	for {
		value, cas, err := proxywasm.GetSharedData(key)
		if err != nil && err != types.ErrorStatusNotFound {
			proxywasm.LogCriticalf("get: %v", err)
			return 0
		}
		var count uint64
		if len(value) == 8 {
			count = binary.LittleEndian.Uint64(value)
		}
		count++
		next := make([]byte, 8)
		binary.LittleEndian.PutUint64(next, count)
		err = proxywasm.SetSharedData(key, next, cas)
		if err == nil {
			return count
		}
		if err != types.ErrorStatusCasMismatch {
			proxywasm.LogCriticalf("set: %v", err)
			return 0
		}
	}
}
