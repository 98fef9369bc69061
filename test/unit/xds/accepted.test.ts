// Configurations that Envoy 1.40 accepts too, and what they become: a few whole values rather than every field of each.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../host/xds/message.ts";
import { loadBootstrap, type LoadedBootstrap } from "../../../host/xds/load-bootstrap.ts";
import { formatProblems } from "../../../host/xds/problems.ts";
import { validateBootstrap } from "../../../host/xds/validate.ts";
import { at, bootstrapJson, testServices, types, withValue } from "./support.ts";
import { managerOf as connectionManagerOf } from "../../support/chains.ts";

function load(changes: Readonly<Record<string, Json | undefined>>): LoadedBootstrap {
  let json = bootstrapJson();
  for (const [path, value] of Object.entries(changes)) json = withValue(json, path, value);
  const result = loadBootstrap({ file: JSON.stringify(json) }, testServices());
  assert.ok(result.ok, result.ok ? "" : formatProblems(result.problems));
  return result.value;
}

const managerOf = (loaded: LoadedBootstrap) => connectionManagerOf(loaded.listeners[0].config);
const tableOf = (loaded: LoadedBootstrap) => {
  const { routes } = managerOf(loaded);
  assert.equal(routes.kind, "inline");
  return routes.kind === "inline" ? routes.config : undefined;
};
const routeOf = (loaded: LoadedBootstrap) => tableOf(loaded)?.virtualHosts[0].routes[0];

test("the defaults of a connection manager are Envoy's", () => {
  const manager = managerOf(load({}));
  assert.deepEqual(
    [
      manager.idleTimeoutMs,
      manager.streamIdleTimeoutMs,
      manager.requestTimeoutMs,
      manager.drainTimeoutMs,
      manager.delayedCloseTimeoutMs,
      manager.maxRequestHeadersBytes,
      manager.maxHeadersCount,
      manager.generateRequestId,
    ],
    [3_600_000, 300_000, 0, 5000, 1000, 61_440, 100, true],
  );
});

test("a route's action", () => {
  const loaded = load({
    [at.action]: {
      weighted_clusters: {
        clusters: [
          { name: "service", weight: 90 },
          { cluster_header: "X-To", weight: 10 },
        ],
      },
      timeout: "0s",
      host_rewrite_header: "X-Host",
      retry_policy: { retry_on: "5xx, reset", retry_host_predicate: [{ name: "envoy.retry_host_predicates.previous_hosts" }] },
      upgrade_configs: [{ upgrade_type: "WebSocket", enabled: false }],
    },
  });
  const action = routeOf(loaded)?.action;
  assert.ok(action?.kind === "route" && action.cluster.kind === "weighted");
  assert.deepEqual(
    action.cluster.clusters.map(({ name, clusterHeader, weight }) => [name, clusterHeader, weight]),
    [
      ["service", "", 90],
      ["", "x-to", 10],
    ],
  );
  assert.equal(action.cluster.totalWeight, 100);
  assert.deepEqual(
    [action.timeoutMs, action.hostRewrite, action.upgrades],
    [0, { kind: "header", header: "x-host" }, { websocket: false }],
  );
  assert.deepEqual(
    [
      action.retryPolicy?.retryOn,
      action.retryPolicy?.numRetries,
      action.retryPolicy?.backOffBaseMs,
      action.retryPolicy?.backOffMaxMs,
      action.retryPolicy?.previousHostsPredicate,
    ],
    [["5xx", "reset"], 1, 25, 250, true],
  );
});

test("header mutations: the deprecated append, and its successor", () => {
  const loaded = load({
    [`${at.route}.request_headers_to_add`]: [
      { header: { key: "X-A", value: "1" } },
      { header: { key: "X-B", value: "2" }, append: false },
      { header: { key: "X-C", raw_value: "/w==" }, append_action: "ADD_IF_ABSENT" },
    ],
    [`${at.route}.response_headers_to_remove`]: ["Server"],
  });
  const mutations = routeOf(loaded)?.mutations;
  assert.deepEqual(
    mutations?.requestToAdd.map(({ name, value, appendAction }) => [name, value, appendAction]),
    [
      ["x-a", "1", "APPEND_IF_EXISTS_OR_ADD"],
      ["x-b", "2", "OVERWRITE_IF_EXISTS_OR_ADD"],
      ["x-c", "\u00ff", "ADD_IF_ABSENT"],
    ],
  );
  assert.deepEqual(mutations?.responseToRemove, ["server"]);
});

test("access logs: formats and filters", () => {
  const loaded = load({
    [`${at.manager}.access_log`]: [
      {
        name: "f",
        filter: {
          and_filter: {
            filters: [
              { status_code_filter: { comparison: { op: "GE", value: { default_value: 500 } } } },
              { response_flag_filter: { flags: ["UH"] } },
            ],
          },
        },
        typed_config: {
          "@type": types.file,
          path: "/dev/null",
          log_format: { json_format: { code: "%RESPONSE_CODE%", nested: { list: ["%PROTOCOL%", 1] } } },
        },
      },
    ],
  });
  assert.deepEqual(managerOf(loaded).accessLogs, [
    {
      kind: "file",
      path: "/dev/null",
      filter: {
        kind: "and",
        filters: [
          { kind: "status_code", comparison: { op: "GE", value: 500, runtimeKey: "" } },
          { kind: "response_flag", flags: ["UH"] },
        ],
      },
      format: {
        kind: "json",
        format: { code: "%RESPONSE_CODE%", nested: { list: ["%PROTOCOL%", 1] } },
        omitEmptyValues: false,
        sortKeys: false,
      },
    },
  ]);
});

test("a cluster with typed policies and protocol options", () => {
  const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  const policy = "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest";
  const loaded = load({
    [`${at.cluster}.load_balancing_policy`]: {
      policies: [
        { typed_extension_config: { name: "x", typed_config: { "@type": "type.googleapis.com/not.Known" } } },
        { typed_extension_config: { name: "lr", typed_config: { "@type": policy, choice_count: 4 } } },
      ],
    },
    [`${at.cluster}.typed_extension_protocol_options`]: {
      [options]: {
        "@type": `type.googleapis.com/${options}`,
        explicit_http_config: { http_protocol_options: {} },
        common_http_protocol_options: { idle_timeout: "3s", max_requests_per_connection: 7 },
      },
    },
    [`${at.cluster}.circuit_breakers`]: {
      thresholds: [{ max_connections: 5 }, { priority: "HIGH", retry_budget: {} }, { max_connections: 6 }],
    },
  });
  const { lbPolicy, http, circuitBreakers } = loaded.clusters[0].config;
  assert.deepEqual(lbPolicy, { kind: "LEAST_REQUEST", choiceCount: 4, activeRequestBias: 1 });
  assert.deepEqual([http.idleTimeoutMs, http.maxRequestsPerConnection], [3000, 7]);
  assert.deepEqual(
    [circuitBreakers.default.maxConnections, circuitBreakers.high.retryBudget],
    [5, { budgetPercent: 20, minRetryConcurrency: 3 }],
  );
});

test("per-route overrides that only turn a filter off", () => {
  const config = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
  assert.deepEqual(routeOf(load({ [`${at.route}.typed_per_filter_config`]: { auth: config } }))?.perFilterConfig, {
    auth: { disabled: true, config: undefined },
  });
});

test("fields without meaning here are accepted", () => {
  load({
    stats_flush_interval: "1s",
    [`${at.listener}.enable_reuse_port`]: true,
    [`${at.manager}.http2_protocol_options`]: {},
    [`${at.cluster}.dns_refresh_rate`]: "5s",
  });
});

test("what is loaded is frozen and survives a structured clone", () => {
  const loaded = load({});
  assert.throws(() => Object.assign(loaded.clusters[0].config.http, { idleTimeoutMs: 1 }), TypeError);
  assert.deepEqual(structuredClone(loaded.listeners[0].config), loaded.listeners[0].config);
});

test("validate says what loading would say", () => {
  assert.deepEqual(validateBootstrap(JSON.stringify(bootstrapJson()), testServices()), { ok: true, problems: [] });
  assert.deepEqual(validateBootstrap("admin: {x: 1}", testServices()).problems, [
    { path: "admin.x", reason: "no such field", line: 1, column: 12 },
  ]);
});
