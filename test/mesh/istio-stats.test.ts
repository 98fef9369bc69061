// istio.stats in a data plane: which labels a request and a connection are counted under, what may be left out, and the limit.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StatsRecorder } from "../../host/extensions/istio/stats-recorder.ts";
import type { Labels } from "../../host/extensions/istio/stats-labels.ts";
import { labelledName } from "../../host/stats/labels.ts";
import { StatsStore } from "../../host/stats/store.ts";
import { renderPrometheus } from "../../host/stats/prometheus.ts";
import { TagProducer } from "../../host/stats/tags.ts";
import type { Json } from "../../host/xds/message.ts";
import { ownWorkload, workloadStruct } from "../../host/net/workload.ts";
import { type Fields, startDataPlane, TEST_NODE } from "../support/data-plane.ts";
import { nodeClient, nodeUpstream } from "../support/node-http.ts";
import { startTcp, startUpstream, tcpProxy } from "../support/tcp.ts";

const typed = (type: string, fields: Fields = {}): Json => ({ "@type": `type.googleapis.com/${type}`, ...fields });
const ROUTER: Json = { name: "router", typed_config: typed("envoy.extensions.filters.http.router.v3.Router") };
const EXCHANGE = (value: Json): Json => ({
  name: "istio.metadata_exchange",
  typed_config: {
    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
    type_url: "type.googleapis.com/io.istio.http.peer_metadata.Config",
    value,
  },
});
const stats = (config: Fields = {}): Json => ({ name: "istio.stats", typed_config: typed("stats.PluginConfig", config) });

const node = (name: string): typeof TEST_NODE => ({
  ...TEST_NODE,
  id: name,
  metadata: {
    NAMESPACE: "ns",
    WORKLOAD_NAME: name,
    CLUSTER_ID: "c1",
    ISTIO_VERSION: "1.31.0",
    LABELS: { app: name, version: "v1", "service.istio.io/canonical-name": name, "service.istio.io/canonical-revision": "v1" },
  },
});
const PEER = {
  "x-envoy-peer-metadata-id": "peer",
  "x-envoy-peer-metadata": Buffer.from(workloadStruct(ownWorkload(node("peer"), []))).toString("base64"),
};
const SERVICE: Fields = { metadata: { filter_metadata: { istio: { services: [{ host: "web.ns.svc", name: "web", namespace: "ns" }] } } } };

/** All labels unknown but these. */
function labels(given: Readonly<Record<string, string>>, isTcp = false): Labels {
  const side = (name: string): readonly string[] =>
    name === "source"
      ? "workload canonical_service canonical_revision workload_namespace principal app version cluster".split(" ")
      : "workload workload_namespace principal app version service canonical_service canonical_revision service_name service_namespace cluster".split(
          " ",
        );
  const names = [
    "reporter",
    ...side("source").map((name) => `source_${name}`),
    ...side("destination").map((name) => `destination_${name}`),
    "request_protocol",
    ...(isTcp ? [] : ["response_code", "grpc_response_status"]),
    "response_flags",
    "connection_security_policy",
  ];
  const unset: Readonly<Record<string, string>> = {
    response_code: "200",
    grpc_response_status: "",
    response_flags: "-",
    request_protocol: isTcp ? "tcp" : "http",
  };
  return names.map((name) => [name, given[name] ?? unset[name] ?? "unknown"] as const);
}

const workload = (side: string, name: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries({
      workload: name,
      workload_namespace: "ns",
      canonical_service: name,
      canonical_revision: "v1",
      app: name,
      version: "v1",
      cluster: "c1",
    }).map(([key, value]) => [`${side}_${key}`, value]),
  );
const service = { destination_service: "web.ns.svc", destination_service_name: "web", destination_service_namespace: "ns" };

interface Case {
  readonly name: string;
  readonly direction: "INBOUND" | "OUTBOUND";
  readonly config?: Fields;
  readonly cluster?: Fields;
  readonly request?: Readonly<Record<string, string>>;
  readonly answer?: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Left out of the name. */
  readonly without?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: "inbound from a peer",
    direction: "INBOUND",
    cluster: SERVICE,
    request: PEER,
    labels: {
      reporter: "destination",
      ...workload("source", "peer"),
      ...workload("destination", "own"),
      ...service,
      connection_security_policy: "none",
    },
  },
  {
    name: "inbound from anybody, by host header",
    direction: "INBOUND",
    request: { host: "a.example" },
    labels: {
      reporter: "destination",
      ...workload("destination", "own"),
      destination_service: "a.example",
      destination_service_name: "a.example",
      destination_service_namespace: "ns",
      connection_security_policy: "none",
    },
  },
  {
    name: "no fallback to the host header",
    direction: "INBOUND",
    config: { disable_host_header_fallback: true },
    labels: {
      reporter: "destination",
      ...workload("destination", "own"),
      destination_service_namespace: "ns",
      connection_security_policy: "none",
    },
  },
  {
    name: "outbound to a peer",
    direction: "OUTBOUND",
    cluster: SERVICE,
    answer: PEER,
    labels: { reporter: "source", ...workload("source", "own"), ...workload("destination", "peer"), ...service },
  },
  {
    name: "outbound to an endpoint of which the control plane says who it is",
    direction: "OUTBOUND",
    cluster: {
      ...SERVICE,
      load_assignment: {
        cluster_name: "in",
        endpoints: [{ lb_endpoints: [{ metadata: { filter_metadata: { istio: { workload: "w;ns2;c;r;k" } } } }] }],
      },
    },
    labels: {
      reporter: "source",
      ...workload("source", "own"),
      ...service,
      destination_workload: "w",
      destination_workload_namespace: "ns2",
      destination_canonical_service: "c",
      destination_canonical_revision: "r",
      destination_cluster: "k",
    },
  },
  {
    name: "labels left out",
    direction: "OUTBOUND",
    cluster: SERVICE,
    config: { metrics: [{ name: "requests_total", tags_to_remove: ["response_code"] }, { tags_to_remove: ["source_app"] }] },
    labels: { reporter: "source", ...workload("source", "own"), ...service },
    without: ["response_code", "source_app"],
  },
];

/** The endpoint's address is known only now. */
function withAddress(cluster: Fields, port: number): Fields {
  const text = JSON.stringify(cluster).replace(
    '"lb_endpoints":[{',
    `"lb_endpoints":[{"endpoint":{"address":{"socket_address":{"address":"127.0.0.1","port_value":${port}}}},`,
  );
  return JSON.parse(text) as Fields;
}

test("requests", async (t) => {
  for (const { name, direction, config, cluster = {}, request = {}, answer = {}, without = [], ...wanted } of CASES) {
    await t.test(name, async (each) => {
      const upstream = await nodeUpstream("HTTP/1.1", () => ({ headers: answer, body: [Buffer.from("hello")] }));
      const methods: Json = [{ istio_headers: {} }];
      const exchange = EXCHANGE(direction === "INBOUND" ? { downstream_discovery: methods } : { upstream_discovery: methods });
      const listener = {
        name: "in",
        manager: { http_filters: [exchange, stats(config), ROUTER] },
        listener: { traffic_direction: direction },
      };
      const clusters = [{ name: "in", ports: [upstream.port], cluster: withAddress(cluster, upstream.port) }];
      const plane = await startDataPlane([listener], clusters, { node: node("own") });
      const client = nodeClient("HTTP/1.1", plane.port("in"));
      each.after(async () => {
        client.close();
        await plane.stop();
        await upstream.close();
      });
      for (const path of ["/a", "/b"]) await client.send({ path, headers: request });
      const kept = labels(wanted.labels).filter(([label]) => !without.includes(label));
      assert.equal(plane.counter(labelledName("istio_requests_total", kept)), 2);
      assert.equal(
        plane.gauge(
          labelledName("istio_build", [
            ["component", "proxy"],
            ["tag", "1.31.0"],
          ]),
        ),
        1,
      );
    });
  }
});

test("connections", async (t) => {
  const upstream = await startUpstream(t, (text) => text + text);
  const listener = { traffic_direction: "INBOUND", filter_chains: [{ filters: [stats({ tcp_reporting_duration: "0.02s" }), tcpProxy()] }] };
  const plane = await startTcp(t, [], [{ name: "service", ports: [upstream.port], cluster: SERVICE }], { node: node("own"), listener });
  const counted = (metric: string): number =>
    plane.counter(
      labelledName(
        `istio_tcp_${metric}`,
        labels({ reporter: "destination", ...workload("destination", "own"), ...service, connection_security_policy: "none" }, true),
      ),
    );
  const client = plane.connect();
  client.send("abc");
  await client.got("abcabc");
  const until = async (isDone: () => boolean): Promise<void> => {
    for (let i = 0; i < 200 && !isDone(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(isDone());
  };
  await until(() => counted("sent_bytes_total") === 6);
  assert.deepEqual(["connections_opened_total", "received_bytes_total", "connections_closed_total"].map(counted), [1, 3, 0]);
  client.socket.destroy();
  (await upstream.peer()).socket.destroy();
  await until(() => counted("connections_closed_total") === 1);
  assert.deepEqual(["connections_opened_total", "received_bytes_total", "sent_bytes_total"].map(counted), [1, 3, 6]);
});

test("peers that say something else each time are counted as unknown, and there is an end to that too", () => {
  const store = new StatsStore(() => {});
  const recorder = new StatsRecorder({ statPrefix: "istio", disableHostHeaderFallback: false, tcpReportingMs: 0, metrics: [] }, store);
  const series = new Set<unknown>();
  for (let i = 0; i < 3000; i++) {
    series.add(
      recorder.find((isKnown) => [
        ["source_workload", isKnown ? String(i) : "unknown"],
        ["response_code", String(i % 2)],
      ]),
    );
  }
  assert.equal(series.size, 1002);
  assert.equal(store.counter("istio_stats.series_overflow").value, 2000);
  for (let i = 0; i < 3000; i++) series.add(recorder.find(() => [["response_code", `x${i}`]]));
  assert.ok(series.has(undefined));
  assert.equal(series.size, 1201);
});

test("what a peer says cannot end one label and begin another, and Prometheus gets labels", () => {
  const name = labelledName("istio_requests_total", [
    ["source_app", 'a;.;reporter=.=x"\n'],
    ["reporter", "source"],
  ]);
  const { tags, name: bare } = new TagProducer([], true).extract(name);
  assert.deepEqual([bare, tags.map((tag) => tag.name)], ["istiocustom.istio_requests_total", ["source_app", "reporter"]]);
  const view = { scalars: [{ name, kind: "counter", value: 3 }], histograms: [] } as unknown as Parameters<typeof renderPrometheus>[0];
  const text = renderPrometheus(view, new TagProducer([], true), "cumulative");
  assert.match(text, /^istio_requests_total\{source_app="a_reporter_x\\"\\n",reporter="source"\} 3$/m);
});
