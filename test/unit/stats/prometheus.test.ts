// The Prometheus exposition: series that Envoy 1.40 printed for the same names and tags, and validity whatever the names.
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { renderPrometheus } from "../../../host/stats/prometheus.ts";
import { TagProducer, type TagSpecifier } from "../../../host/stats/tags.ts";
import { parsePrometheus } from "./prometheus-parser.ts";
import { StatsBench } from "./support.ts";

const tag = (tagName: string, what: { readonly regex?: string; readonly fixedValue?: string } = {}): TagSpecifier => ({
  tagName,
  regex: what.regex,
  fixedValue: what.fixedValue,
});

/** Stat name → series, as printed by Envoy with these two tags configured. */
const envoyTags = [tag("fixed1", { fixedValue: "fv" }), tag("mytag", { regex: "(mt\\.(.+?)\\.)" })];
const observed: readonly (readonly [string, string])[] = [
  ["cluster.up.upstream_cx_total", 'envoy_cluster_upstream_cx_total{fixed1="fv",envoy_cluster_name="up"}'],
  [
    "cluster.up.external.upstream_rq_200",
    'envoy_cluster_external_upstream_rq{envoy_response_code="200",fixed1="fv",envoy_cluster_name="up"}',
  ],
  [
    "cluster.up.external.upstream_rq_2xx",
    'envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="2",fixed1="fv",envoy_cluster_name="up"}',
  ],
  ["cluster.up.circuit_breakers.default.cx_open", 'envoy_cluster_circuit_breakers_default_cx_open{fixed1="fv",envoy_cluster_name="up"}'],
  [
    "http.admin.downstream_rq_5xx",
    'envoy_http_downstream_rq_xx{envoy_response_code_class="5",fixed1="fv",envoy_http_conn_manager_prefix="admin"}',
  ],
  [
    "http.dynhcm.rds.rds1.update_attempt",
    'envoy_http_rds_update_attempt{fixed1="fv",envoy_rds_route_config="rds1",envoy_http_conn_manager_prefix="dynhcm"}',
  ],
  ["listener.admin.downstream_cx_total", 'envoy_listener_admin_downstream_cx_total{fixed1="fv"}'],
  [
    "listener.admin.http.admin.downstream_rq_1xx",
    'envoy_listener_admin_http_downstream_rq_xx{envoy_response_code_class="1",fixed1="fv",envoy_http_conn_manager_prefix="admin"}',
  ],
  [
    "listener.127.0.0.1_37010.downstream_cx_total",
    'envoy_listener_downstream_cx_total{fixed1="fv",envoy_listener_address="127.0.0.1_37010"}',
  ],
  ["listener.[__1]_37114.downstream_cx_total", 'envoy_listener_downstream_cx_total{fixed1="fv",envoy_listener_address="[__1]_37114"}'],
  ["listener.adminx.downstream_cx_total", 'envoy_listener_downstream_cx_total{fixed1="fv",envoy_listener_address="adminx"}'],
  [
    "listener.x_80.y.worker_0.downstream_cx_total",
    'envoy_listener_y_worker_0_downstream_cx_total{fixed1="fv",envoy_listener_address="x_80"}',
  ],
  [
    "listener.127.0.0.1_37010.worker_1.downstream_cx_total",
    'envoy_listener_worker_downstream_cx_total{envoy_worker_id="1",fixed1="fv",envoy_listener_address="127.0.0.1_37010"}',
  ],
  [
    "listener.127.0.0.1_37010.http.ingress.downstream_rq_completed",
    'envoy_listener_http_downstream_rq_completed{fixed1="fv",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_37010"}',
  ],
  [
    "listener.mt.foo.bar.downstream_cx_destroy",
    'envoy_listener_bar_downstream_cx_destroy{fixed1="fv",mytag="foo",envoy_listener_address="mt"}',
  ],
  [
    "listener.mt.foo.bar.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds",
    'envoy_listener_bar_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="unnamed_cert_e3b0c442",fixed1="fv",mytag="foo",envoy_listener_address="mt"}',
  ],
  ["server.worker_0.watchdog_miss", 'envoy_server_worker_watchdog_miss{envoy_worker_id="0",fixed1="fv"}'],
  [
    "vhost.v.vcluster.vc.upstream_rq_retry",
    'envoy_vhost_vcluster_upstream_rq_retry{fixed1="fv",envoy_virtual_cluster="vc",envoy_virtual_host="v"}',
  ],
  ["wasm.envoy.wasm.runtime.v8.created", 'envoy_wasm_envoy_wasm_runtime_v8_created{fixed1="fv"}'],
  ["wasmcustom.authz.denied", 'authz_denied{fixed1="fv"}'],
];

function render(names: readonly string[], tags: readonly TagSpecifier[], useAllDefaultTags = true): string {
  const bench = new StatsBench();
  for (const name of names) bench.store(1).counter(name).inc();
  bench.flushAnnouncements();
  return renderPrometheus(bench.merged.read(), new TagProducer(tags, useAllDefaultTags), "cumulative");
}

test("names and labels are Envoy's", () => {
  for (const [name, series] of observed) {
    const family = series.replace(/\{.*/, "");
    assert.equal(render([name], envoyTags), `# TYPE ${family} counter\n${series} 1\n`, name);
  }
});

test("configured tags: Istio's metric names, fixed values, default tags by name, RE2 syntax", () => {
  const istio = [
    tag("reporter", { regex: "(reporter=\\.=(.*?);\\.;)" }),
    tag("response_code", { regex: "(response_code=\\.=(.*?);\\.;)|_rq(_(\\.d{3}))$" }),
  ];
  assert.equal(
    render(["wasmcustom.reporter=.=source;.;response_code=.=200;.;istio_requests_total"], istio),
    '# TYPE istio_requests_total counter\nistio_requests_total{reporter="source",response_code="200"} 1\n',
  );
  const onlyCluster = [tag("envoy.cluster_name")];
  assert.match(render(["cluster.up.upstream_rq_200"], onlyCluster, false), /^envoy_cluster_upstream_rq_200\{envoy_cluster_name="up"\} 1$/m);
  assert.match(render(["a.x12.b"], [tag("n", { regex: "^a\\.(x([[:digit:]]{2})\\.)" })]), /^envoy_a_b\{n="12"\} 1$/m);
  assert.match(render(["wasmcustom.authz.denied"], [tag("rule", { regex: "^wasmcustom\\..*?(denied)" })]), /^authz\{rule="denied"\} 1$/m);
});

test("label names and values are made valid, which Envoy does not do", () => {
  const out = render(
    ["a"],
    [tag("0 b-d", { fixedValue: 'q"x\\\n' }), tag("le", { fixedValue: "1" }), tag("0_b_d", { fixedValue: "again" })],
  );
  assert.equal(out, '# TYPE envoy_a counter\nenvoy_a{_0_b_d="q\\"x\\\\\\n",tag_le="1"} 1\n');
  parsePrometheus(out);
});

test("names that collide stay valid and lose nothing", () => {
  const bench = new StatsBench();
  const store = bench.store(1);
  store.counter("a.b").add(1);
  store.counter("a-b").add(2);
  store.gauge("a_b").set(5);
  store.histogram("h").record(1);
  store.histogram("a.b").record(1);
  store.counter("h.count").add(7);
  bench.flushAnnouncements();
  const families = parsePrometheus(renderPrometheus(bench.merged.read(), new TagProducer([], true), "cumulative"));
  assert.equal(families.get("envoy_a_b")?.samples[0].value, 3);
  assert.equal(families.get("envoy_a_b_gauge")?.samples[0].value, 5);
  assert.equal(families.get("envoy_h_count")?.samples[0].value, 7);
  assert.equal(families.get("envoy_h_histogram")?.type, "histogram");
  assert.equal(families.get("envoy_a_b_histogram")?.type, "histogram");
});

test("a histogram has Envoy's buckets, its summary form quantiles of the interval", () => {
  const bench = new StatsBench();
  const histogram = bench.store(1).histogram("cluster.up.upstream_rq_time");
  for (const value of [0, 2, 38]) histogram.record(value);
  bench.flushAnnouncements();
  const tags = new TagProducer([], true);
  const buckets = renderPrometheus(bench.merged.read(), tags, "cumulative");
  const bounds = [...buckets.matchAll(/le="([^"]+)"\} (\d+)/g)].map(([, le, count]) => `${le}:${count}`);
  assert.equal(
    bounds.join(" "),
    "0.5:1 1:1 5:2 10:2 25:2 50:3 100:3 250:3 500:3 1000:3 2500:3 5000:3 10000:3 30000:3 60000:3 300000:3 600000:3 1800000:3 3600000:3 +Inf:3",
  );
  assert.match(buckets, /^envoy_cluster_upstream_rq_time_sum\{envoy_cluster_name="up"\} 40$/m);
  const summary = renderPrometheus(bench.merged.read(), tags, "summary");
  assert.match(summary, /^# TYPE envoy_cluster_upstream_rq_time summary$/m);
  const quantiles = [...summary.matchAll(/quantile="([^"]+)"/g)].map(([, q]) => q);
  assert.deepEqual(quantiles, ["0", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.995", "0.999", "1"]);
  assert.match(summary, /quantile="0.5"\} NaN$/m);
  parsePrometheus(summary);
  parsePrometheus(buckets);
});

test("any names and tags give a valid exposition", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "_", ".", "-", "0", '"', "\\", "\n", "é", "rq_200", "cluster.", "wasmcustom."),
    maxLength: 8,
  });
  const stat = fc.tuple(fc.constantFrom("counter" as const, "gauge" as const, "histogram" as const), text);
  fc.assert(
    fc.property(
      fc.array(stat, { maxLength: 30 }),
      fc.array(fc.tuple(text, text), { maxLength: 4 }),
      fc.constantFrom("cumulative" as const, "summary" as const),
      (stats, fixed, mode) => {
        const bench = new StatsBench();
        const store = bench.store(1);
        for (const [kind, name] of stats) {
          if (kind === "histogram") store.histogram(name).record(3);
          else store[kind](name).add(1);
        }
        bench.flushAnnouncements();
        parsePrometheus(
          renderPrometheus(
            bench.merged.read(),
            new TagProducer(
              fixed.map(([name, fixedValue]) => tag(name, { fixedValue })),
              true,
            ),
            mode,
          ),
        );
      },
    ),
  );
});
