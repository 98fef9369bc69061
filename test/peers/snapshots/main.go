// Command snapshots serves go-control-plane's snapshot cache on a port of its own choice, which it prints first. Each line that it
// reads is the number of a snapshot to switch to. It prints one JSON object a line: the content of each snapshot, each NACK, and each
// stream that opens.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

const clusters = 10

var out sync.Mutex

func say(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		fail(err)
	}
	out.Lock()
	defer out.Unlock()
	fmt.Println(string(line))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Of every snapshot a third of the clusters is missing, a third is as before, a third has changed.
func snapshot(n int) *cache.Snapshot {
	resources := map[resource.Type][]types.Resource{}
	var hosts []*route.VirtualHost
	for i := range clusters {
		name := fmt.Sprintf("c%d", i)
		hosts = append(hosts, &route.VirtualHost{Name: name, Domains: []string{fmt.Sprintf("%s.v%d", name, n)}})
		if (n+i)%3 == 0 {
			continue
		}
		timeout := 1
		if (n+i)%3 == 1 {
			timeout = n + 1
		}
		ads := &core.ConfigSource{ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}}}
		resources[resource.ClusterType] = append(resources[resource.ClusterType], &cluster.Cluster{
			Name:                 name,
			ConnectTimeout:       durationpb.New(time.Duration(timeout) * time.Second),
			ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
			EdsClusterConfig:     &cluster.Cluster_EdsClusterConfig{EdsConfig: ads},
		})
		resources[resource.EndpointType] = append(resources[resource.EndpointType], &endpoint.ClusterLoadAssignment{
			ClusterName: name,
			Policy:      &endpoint.ClusterLoadAssignment_Policy{EndpointStaleAfter: durationpb.New(time.Duration(timeout) * time.Second)},
		})
	}
	resources[resource.ListenerType] = []types.Resource{&listener.Listener{Name: "in", StatPrefix: fmt.Sprint(n)}}
	resources[resource.RouteType] = []types.Resource{&route.RouteConfiguration{Name: "table", VirtualHosts: hosts}}
	made, err := cache.NewSnapshot(strconv.Itoa(n), resources)
	if err != nil {
		fail(err)
	}
	return made
}

func content(of *cache.Snapshot) map[string]map[string][]byte {
	all := map[string]map[string][]byte{}
	for _, kind := range []string{resource.ClusterType, resource.EndpointType, resource.ListenerType, resource.RouteType} {
		all[kind] = map[string][]byte{}
		for name, one := range of.GetResources(kind) {
			bytes, err := cache.MarshalResource(one)
			if err != nil {
				fail(err)
			}
			all[kind][name] = bytes
		}
	}
	return all
}

func told(kind string, detail *status.Status) {
	if detail != nil {
		say(map[string]any{"nack": detail.GetMessage(), "type": kind})
	}
}

func main() {
	snapshots := cache.NewSnapshotCache(false, cache.IDHash{}, nil)
	opened := func(_ context.Context, id int64, kind string) error {
		say(map[string]any{"stream": id, "type": kind})
		return nil
	}
	served := server.NewServer(context.Background(), snapshots, server.CallbackFuncs{
		StreamOpenFunc:      opened,
		DeltaStreamOpenFunc: opened,
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			told(request.GetTypeUrl(), request.GetErrorDetail())
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			told(request.GetTypeUrl(), request.GetErrorDetail())
			return nil
		},
	})
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, served)
	clusterservice.RegisterClusterDiscoveryServiceServer(grpcServer, served)
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, served)
	listenerservice.RegisterListenerDiscoveryServiceServer(grpcServer, served)
	routeservice.RegisterRouteDiscoveryServiceServer(grpcServer, served)
	go func() { fail(grpcServer.Serve(port)) }()
	say(map[string]any{"port": port.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			fail(err)
		}
		made := snapshot(n)
		say(map[string]any{"snapshot": n, "resources": content(made)})
		if err := snapshots.SetSnapshot(context.Background(), "me", made); err != nil {
			fail(err)
		}
	}
}
