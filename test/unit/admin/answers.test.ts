// Answers of the endpoints: bodies, statuses and refusals as Envoy 1.40 gave them.
import assert from "node:assert/strict";
import test from "node:test";
import type { AdminViews } from "../../../host/admin/views.ts";
import { ask, endpointPaths, fakeViews, resource, startedAtMs } from "./support.ts";

const text = "text/plain; charset=UTF-8";

test("statuses and bodies", () => {
  const cases: readonly {
    readonly target: string;
    readonly status?: number;
    readonly body: string | RegExp;
    readonly views?: Partial<AdminViews>;
  }[] = [
    { target: "/ready", body: "LIVE\n" },
    { target: "/ready?x=1", body: "LIVE\n" },
    { target: "DELETE /ready", body: "LIVE\n" },
    { target: "/ready", status: 503, body: "DRAINING\n", views: { state: () => "DRAINING" } },
    { target: "/ready", status: 503, body: "INITIALIZING\n", views: { state: () => "INITIALIZING" } },
    { target: "/nope", status: 404, body: /^invalid path\. admin commands are:\n {2}\/: Admin home page\n/ },
    { target: "/stats/", status: 404, body: /^invalid path/ },
    { target: "/_wasm/filters/", status: 404, body: /^invalid path/ },
    { target: "/logging", status: 405, body: "Method GET not allowed, POST required." },
    { target: "/quitquitquit", status: 405, body: "Method GET not allowed, POST required." },
    { target: "PUT /reset_counters", status: 405, body: "Method PUT not allowed, POST required." },
    { target: "POST /reset_counters", body: "OK\n" },
    { target: "POST /healthcheck/fail", body: "OK\n" },
    { target: "POST /drain_listeners?inboundonly", body: "OK\n" },
    { target: "/hot_restart_version", body: "disabled" },
    { target: "/listeners", body: "l1::127.0.0.1:37010\nl2::[::1]:1,/tmp/l.sock\n" },
    { target: "/listeners?format=x", body: /^l1::/ },
    { target: "/init_dump", body: "{}\n" },
    { target: "/certs", body: '{\n "certificates": []\n}\n' },
    { target: "/stats?filter=(", status: 400, body: /^Invalid re2 regex: missing / },
    { target: "/stats?format=foo", status: 400, body: "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n" },
    { target: "/stats?type=Bad", status: 400, body: "invalid &type= param" },
    {
      target: "/stats?histogram_buckets=xx",
      status: 400,
      body: /^usage: \/stats\?histogram_buckets=\(cumulative\|disjoint\|detailed\|summary/,
    },
    { target: "/stats/prometheus?histogram_buckets=detailed", status: 400, body: "unsupported prometheus histogram bucket mode" },
    { target: "/stats?format=json", body: '{"stats":[]}' },
    { target: "/config_dump?resource=nope", status: 404, body: "nope not found in config dump" },
    {
      target: "/config_dump?resource=bootstrap",
      status: 400,
      body: "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field",
    },
    { target: "/config_dump?name_regex=(", status: 400, body: /^INVALID_ARGUMENT: Error while parsing name_regex from \(: missing / },
    {
      target: "/config_dump?mask=static_clusters.cluster.name,bootstrap.node.id",
      status: 400,
      body: "FieldMask static_clusters.cluster.name,bootstrap.node.id could not be successfully applied to any configs.",
    },
    {
      target: "/config_dump?resource=static_clusters&mask=foo.bar",
      status: 400,
      body: /^FieldMask .*foo\.bar.* could not be successfully used\.$/,
    },
    { target: "/config_dump?resource=dynamic_active_clusters&name_regex=zzz", body: "{}\n" },
    { target: "/_wasm/filters/nobody", status: 404, body: /^no filter nobody/ },
  ];
  for (const { target, status = 200, body, views } of cases) {
    const answer = ask(fakeViews(views), target);
    assert.equal(answer.status, status, target);
    if (typeof body === "string") assert.equal(answer.body, body, target);
    else assert.match(answer.body, body, target);
    assert.equal(answer.contentType, answer.body.startsWith("{") ? "application/json" : text, target);
  }
});

test("actions reach the server, quitting only after the answer", () => {
  const views = fakeViews();
  ask(views, "POST /drain_listeners?graceful&skip_exit");
  ask(views, "POST /healthcheck/fail");
  ask(views, "POST /healthcheck/ok");
  ask(views, "POST /reopen_logs");
  const quit = ask(views, "POST /quitquitquit");
  assert.deepEqual(views.calls, [
    { inboundOnly: false, graceful: true, skipExit: true },
    { isFailed: true },
    { isFailed: false },
    "reopenLogs",
  ]);
  quit.afterSent?.();
  assert.equal(views.calls.at(-1), "quit");
});

test("logging: shown, changed, refused as a whole", () => {
  const list = (admin: string, http: string): string => `active loggers:\n  admin: ${admin}\n  http: ${http}\n\n`;
  const cases: readonly (readonly [string, number, string])[] = [
    ["POST /logging", 200, list("info", "info")],
    ["POST /logging?http=debug", 200, list("info", "debug")],
    ["POST /logging?level=warning", 200, list("warning", "warning")],
    ["POST /logging?paths=http:trace,admin:off", 200, list("off", "trace")],
    ["POST /logging?nope=trace", 400, "error: unknown logger name\n\nusage: /logging?<name>=<level> (change single level)\n"],
    ["POST /logging?level=bad", 400, "error: unknown logger level\n\nusage: "],
    ["POST /logging?http=debug&admin=debug", 400, "error: invalid number of parameters\n\nusage: "],
    ["POST /logging?paths=http:debug,nope:debug", 400, "error: unknown logger name\n\nusage: "],
    ["POST /logging?group=http:info", 400, "error: group parameter requires fine-grain logging to be enabled\n\nusage: "],
  ];
  for (const [target, status, body] of cases) {
    const views = fakeViews();
    const answer = ask(views, target);
    assert.equal(answer.status, status, target);
    assert.ok(answer.body.startsWith(body), answer.body);
    if (status === 400) {
      assert.ok(answer.body.endsWith(list("info", "info")));
      assert.match(answer.body, /^levels: trace debug info warning error critical off$/m);
    }
  }
});

test("memory, runtime and what is not ready", () => {
  const views = fakeViews({
    bootstrapJson: {
      layered_runtime: {
        layers: [
          { name: "static", static_layer: { "a.b": 5, c: "x" } },
          { name: "other", static_layer: { a: { b: 7 } } },
          { name: "admin", admin_layer: {} },
        ],
      },
    },
    runtime: () => ({ "a.b": 7, c: "x" }),
    resources: () => [
      resource({ kind: "listener", name: "l", state: "warming" }),
      resource({ kind: "cluster", name: "c", state: "replacing" }),
      resource({ kind: "cluster", name: "ok" }),
    ],
  });
  assert.deepEqual(JSON.parse(ask(views, "/memory").body), {
    allocated: "1",
    heap_size: "2",
    pageheap_unmapped: "0",
    pageheap_free: "3",
    total_thread_cache: "0",
    total_physical_bytes: "4",
  });
  assert.deepEqual(JSON.parse(ask(views, "/runtime").body), {
    entries: { "a.b": { final_value: "7", layer_values: ["5", "7", ""] }, c: { final_value: "x", layer_values: ["x", "", ""] } },
    layers: ["static", "other", "admin"],
  });
  assert.deepEqual(JSON.parse(ask(views, "/init_dump?mask=listener").body), {
    unready_targets_dumps: [{ name: "init manager listener", target_names: ["listener l"] }],
  });
});

test("server_info", () => {
  const info = JSON.parse(
    ask(fakeViews({ commandLine: { "drain-time-s": "5", "config-yaml": "a: {private_key: xyz}\npassword: hunter2\n" } }), "/server_info")
      .body,
  ) as {
    version: string;
    state: string;
    uptime_current_epoch: string;
    command_line_options: Record<string, unknown>;
    node: unknown;
  };
  assert.equal(info.version.split("/").length, 5);
  assert.equal(info.state, "LIVE");
  assert.equal(info.uptime_current_epoch, "5s");
  assert.equal(info.command_line_options.drain_time, "5s");
  assert.equal(info.command_line_options.concurrency, 2);
  assert.doesNotMatch(String(info.command_line_options.config_yaml), /xyz|hunter2/);
  assert.deepEqual(info.node, {
    id: "n1",
    cluster: "c1",
    metadata: { A: "b" },
    locality: { region: "rr", zone: "zz" },
    user_agent_name: "sluice",
    user_agent_version: "1.2.3",
  });
});

test("statistics by kind, filter and format", () => {
  const views = fakeViews();
  const store = views.bench.store(1);
  store.counter("cluster.up.upstream_cx_total").add(2);
  store.gauge("cluster.up.upstream_cx_active");
  store.histogram("cluster.up.upstream_rq_time");
  store.counter("<b>&").inc();
  store.textReadout("control_plane.identifier").set('a"b');
  store.textReadout("cluster_manager.cds.version_text");
  views.bench.flushAnnouncements();
  const cases: readonly (readonly [string, string])[] = [
    [
      "/stats",
      'cluster_manager.cds.version_text: ""\ncontrol_plane.identifier: "a"b"\n' +
        "<b>&: 1\ncluster.up.upstream_cx_active: 0\ncluster.up.upstream_cx_total: 2\ncluster.up.upstream_rq_time: No recorded values\n",
    ],
    ["/stats?usedonly", 'control_plane.identifier: "a"b"\n' + "<b>&: 1\ncluster.up.upstream_cx_total: 2\n"],
    ["/stats?type=Gauges", "cluster.up.upstream_cx_active: 0\n"],
    ["/stats?type=TextReadouts", 'cluster_manager.cds.version_text: ""\ncontrol_plane.identifier: "a"b"\n'],
    ["/stats?type=TextReadouts&format=json&usedonly", '{"stats":[{"name":"control_plane.identifier","value":"a\\"b"}]}'],
    ["/stats?filter=cx_(a|t)&type=Counters", "cluster.up.upstream_cx_total: 2\n"],
    ["/stats?filter=up|control|cds&invert_filter", "<b>&: 1\n"],
    ["/stats?filter=cx_.%2Btotal$", ""],
    ["/stats?filter=cx_t.+l$", "cluster.up.upstream_cx_total: 2\n"],
    ["/stats?format=json&type=Counters&filter=cluster", '{"stats":[{"name":"cluster.up.upstream_cx_total","value":2}]}'],
    [
      "/stats/prometheus?usedonly&filter=cluster",
      '# TYPE envoy_cluster_upstream_cx_total counter\nenvoy_cluster_upstream_cx_total{envoy_cluster_name="up"} 2\n',
    ],
    [
      "/stats?format=prometheus&usedonly&filter=cluster",
      '# TYPE envoy_cluster_upstream_cx_total counter\nenvoy_cluster_upstream_cx_total{envoy_cluster_name="up"} 2\n',
    ],
  ];
  for (const [target, body] of cases) assert.equal(ask(views, target).body, body, target);
  assert.ok(views.calls.includes("refreshStats"));
  const page = ask(views, "/stats?format=html&type=Counters").body;
  assert.match(page, /<pre>&#60;b&#62;&#38;: 1\n/);
  ask(views, "POST /reset_counters");
  assert.equal(ask(views, "/stats?usedonly&filter=cx_total").body, "cluster.up.upstream_cx_total: 0\n");
});

test("every endpoint stands in the help, and answers", () => {
  const help = ask(fakeViews(), "/help").body;
  const page = ask(fakeViews(), "/").body;
  for (const path of endpointPaths) {
    assert.match(help, new RegExp(`^  ${path.replace(/[{}]/g, "\\$&")}( \\(POST\\))?: `, "m"));
    if (path !== "/" && !path.includes("{")) assert.ok(page.includes(`"${path.slice(1)}"`), path);
  }
  assert.match(help, /^ {2}\/clusters: .*\n {6}format: .*; One of \(text, json\)$/m);
  assert.doesNotMatch(page, /<script/);
});

test("certificates", () => {
  const pem = TEST_CERTIFICATE;
  const views = fakeViews({
    certificates: () => [
      {
        caCert: undefined,
        certChain: [
          { path: "<inline>", pem },
          { path: "/etc/none.pem", pem: "" },
        ],
      },
    ],
  });
  assert.deepEqual(JSON.parse(ask(views, "/certs").body), {
    certificates: [
      {
        ca_cert: [],
        cert_chain: [
          {
            path: "<inline>",
            serial_number: "6a17ed78166f9910de6b7310e459c72fe9b7a9d9",
            subject_alt_names: [{ dns: "t.example" }, { uri: "spiffe://x/y" }],
            // Asked twenty minutes before it is valid.
            days_until_expiration: String(Math.floor((Date.UTC(2026, 11, 24, 12, 19, 46) - startedAtMs - 5500) / 86_400_000)),
            valid_from: "2026-11-24T12:19:46Z",
            expiration_time: "2026-12-24T12:19:46Z",
          },
          { path: "/etc/none.pem", error: "no certificate in it" },
        ],
      },
    ],
  });
});

const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDLTCCAhWgAwIBAgIUahfteBZvmRDea3MQ5FnHL+m3qdkwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJdC5leGFtcGxlMB4XDTI2MTEyNDEyMTk0NloXDTI2MTIy
NDEyMTk0NlowFDESMBAGA1UEAwwJdC5leGFtcGxlMIIBIjANBgkqhkiG9w0BAQEF
AAOCAQ8AMIIBCgKCAQEAtUsVb/xBh9cXcvK21VSMnQ1mx2LCXWI83kt17TqVFlnt
j90YWKD3W1V2qpa1y8qA967bi0msn9AnFO0ALI1lVxcqg2eC+P82GOOUVQEWYBCN
gJ5DHUxcKvIG4RlyWnFvjNBpnR6LFM+izO1DGjsmd6i3+3+Z29h0ITfEDIiZaOV5
U+fTTJre2XAD5VX3FBheTlyuL4v+4vqTPSvoPf3KqSkcwjeq+cJSPzUBW+fA5J27
Hm3Hg1tGGDAx+qzgaazFV+DABjfwBJG8Bl4/qIjsIii6f/DsdhwlNBe9M2oFBJ1P
HPh+PIK3lzIq0bq5CkmGdMmVXPN1LR/8ACKG3mIhaQIDAQABo3cwdTAdBgNVHQ4E
FgQUnq1BfdKA6gvFyFaNth071OC0BMowHwYDVR0jBBgwFoAUnq1BfdKA6gvFyFaN
th071OC0BMowDwYDVR0TAQH/BAUwAwEB/zAiBgNVHREEGzAZggl0LmV4YW1wbGWG
DHNwaWZmZTovL3gveTANBgkqhkiG9w0BAQsFAAOCAQEAFAWReeI79OtOhnX+uk1m
zQ1ZVNQ4AnDAEzFpP4xAp3gY47zxnIOkjoXBzYkVpXPoTAUYmr9OjJfOwGoYtrY7
3ZbMuH8zwkrrjz7EUj3QGf19kBqD4a7UHqiv1OZHUWNWLkkTtxZ3MQcoupCmR21p
PJ3N2xxxAoIPNcf+/J3WyhX0u8cVFfFah16mWb8wMrJsXKuiX9rx5j9b/61i9Wok
4GfFVZsOTZRkhWJPEmWRUfgKKTMXrRPb2XFeBsARRqIgOFO3uKe1FoTaOtcOjq3Z
GbgXgU4UJDpdLpwskev1A4WtdijY8ZfEA3aEZGpieGbcq1sZogRCtLm2d0ybHRuO
vA==
-----END CERTIFICATE-----
`;
