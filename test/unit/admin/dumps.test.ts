// /clusters and /config_dump against what Envoy 1.40 answered, and the states that resources can be in.
import assert from "node:assert/strict";
import test from "node:test";
import { applyMasks } from "../../../host/admin/config-dump-query.ts";
import type { AdminResource } from "../../../host/admin/views.ts";
import { CLUSTERS_JSON, CLUSTERS_TEXT, ENDPOINTS_DUMP } from "./golden.ts";
import { ask, fakeViews, resource } from "./support.ts";

type Part = Record<string, unknown> & { readonly "@type": string };
const at = "2026-11-24T12:00:00.000Z";
const admin = "type.googleapis.com/envoy.admin.v3.";

function dump(resources: readonly AdminResource[], query = ""): Record<string, Part> {
  const answer = ask(fakeViews({ resources: () => resources }), `/config_dump${query}`);
  const { configs } = JSON.parse(answer.body) as { configs: Part[] };
  return Object.fromEntries(configs.map((part) => [part["@type"].slice(admin.length), part]));
}

test("clusters in text and JSON", () => {
  assert.equal(ask(fakeViews(), "/clusters").body, CLUSTERS_TEXT);
  assert.deepEqual(JSON.parse(ask(fakeViews(), "/clusters?format=json").body), CLUSTERS_JSON);
  assert.equal(ask(fakeViews(), "/clusters?filter=^out").body, CLUSTERS_TEXT.slice(CLUSTERS_TEXT.indexOf("outbound|80")));
  assert.equal(ask(fakeViews(), "/clusters?filter=(").status, 400);
});

test("endpoints in the dump, only when asked for", () => {
  assert.deepEqual(dump([], "?include_eds").EndpointsConfigDump, ENDPOINTS_DUMP);
  assert.equal(dump([]).EndpointsConfigDump, undefined);
});

test("parts and their order", () => {
  assert.deepEqual(Object.keys(dump([])), [
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "ListenersConfigDump",
    "ScopedRoutesConfigDump",
    "RoutesConfigDump",
    "SecretsConfigDump",
  ]);
  assert.deepEqual(Object.keys(dump([resource({ kind: "extension_config", name: "x" })], "?include_eds")).slice(0, 5), [
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "EcdsConfigDump",
    "EndpointsConfigDump",
    "ListenersConfigDump",
  ]);
  assert.deepEqual(dump([]).BootstrapConfigDump, {
    "@type": `${admin}BootstrapConfigDump`,
    bootstrap: { node: { id: "n1", cluster: "c1", metadata: { A: "b" }, locality: { region: "rr", zone: "zz" } }, admin: {} },
    last_updated: at,
  });
});

const listenerType = "type.googleapis.com/envoy.config.listener.v3.Listener";
const clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const error = {
  versionInfo: "v2",
  atMs: Date.UTC(2026, 10, 24, 13),
  problems: [
    { path: "a.b", reason: "is wrong", line: 4 },
    { path: "", reason: "so is all" },
  ],
};
const errorState = { last_update_attempt: "2026-11-24T13:00:00.000Z", details: "line 4: a.b: is wrong\nso is all", version_info: "v2" };

test("listeners: static, active, warming, draining, refused", () => {
  const state = (name: string): unknown => ({ version_info: "v1", listener: { "@type": listenerType, name }, last_updated: at });
  const { ListenersConfigDump } = dump([
    resource({ kind: "listener", name: "s", source: "static", versionInfo: "" }),
    resource({ kind: "listener", name: "a" }),
    resource({ kind: "listener", name: "old", error }),
    resource({ kind: "listener", name: "w", state: "warming" }),
    resource({ kind: "listener", name: "d", state: "draining" }),
    resource({ kind: "listener", name: "r", state: "refused", json: undefined, lastUpdatedMs: undefined, versionInfo: "", error }),
  ]);
  assert.deepEqual(ListenersConfigDump, {
    "@type": `${admin}ListenersConfigDump`,
    version_info: "v1",
    static_listeners: [{ listener: { "@type": listenerType, name: "s" }, last_updated: at }],
    dynamic_listeners: [
      { name: "a", active_state: state("a") },
      { name: "old", active_state: state("old"), error_state: errorState },
      { name: "w", warming_state: state("w") },
      { name: "d", draining_state: state("d") },
      { name: "r", error_state: errorState },
    ],
  });
});

test("clusters, routes, filter configs, secrets", () => {
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    routeConfig: { name: "local", virtual_hosts: [] },
  };
  const parts = dump([
    resource({ kind: "cluster", name: "s", source: "static", versionInfo: "" }),
    resource({ kind: "cluster", name: "a" }),
    resource({ kind: "cluster", name: "w", state: "replacing" }),
    resource({ kind: "cluster", name: "r", state: "refused", json: undefined, error }),
    resource({ kind: "listener", name: "l", json: { name: "l", filterChains: [{ filters: [{ typedConfig: manager }] }] } }),
    resource({ kind: "route_configuration", name: "rds" }),
    resource({ kind: "extension_config", name: "x" }),
    resource({ kind: "extension_config", name: "bad", state: "refused", json: undefined, error }),
    resource({ kind: "secret", name: "sds", json: { name: "sds", generic_secret: { secret: { inline_string: "hunter2" } } } }),
  ]);
  const cluster = (name: string): unknown => ({ version_info: "v1", cluster: { "@type": clusterType, name }, last_updated: at });
  assert.deepEqual(parts.ClustersConfigDump, {
    "@type": `${admin}ClustersConfigDump`,
    version_info: "v1",
    static_clusters: [{ cluster: { "@type": clusterType, name: "s" }, last_updated: at }],
    dynamic_active_clusters: [cluster("a")],
    dynamic_warming_clusters: [cluster("w"), { cluster: { "@type": clusterType, name: "r" }, error_state: errorState }],
  });
  const routeType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
  assert.deepEqual(parts.RoutesConfigDump, {
    "@type": `${admin}RoutesConfigDump`,
    static_route_configs: [{ route_config: { "@type": routeType, name: "local", virtual_hosts: [] }, last_updated: at }],
    dynamic_route_configs: [{ version_info: "v1", route_config: { "@type": routeType, name: "rds" }, last_updated: at }],
  });
  const ecdsType = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
  assert.deepEqual(parts.EcdsConfigDump.ecds_filters, [
    { version_info: "v1", ecds_filter: { "@type": ecdsType, name: "x" }, last_updated: at },
    { ecds_filter: { "@type": ecdsType, name: "bad" }, error_state: errorState },
  ]);
  assert.deepEqual(parts.SecretsConfigDump.dynamic_active_secrets, [
    {
      name: "sds",
      version_info: "v1",
      secret: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        name: "sds",
        generic_secret: { secret: { inline_string: "[redacted]" } },
      },
      last_updated: at,
    },
  ]);
});

test("resource, mask and name_regex", () => {
  const views = fakeViews({ resources: () => [resource({ kind: "cluster", name: "dyn" }), resource({ kind: "cluster", name: "other" })] });
  const ask1 = (query: string): unknown => JSON.parse(ask(views, `/config_dump?${query}`).body);
  const element = `${admin}ClustersConfigDump.DynamicCluster`;
  assert.deepEqual(ask1("resource=dynamic_active_clusters&mask=cluster.name,version_info&name_regex=.*yn"), {
    configs: [{ "@type": element, version_info: "v1", cluster: { "@type": clusterType, name: "dyn" } }],
  });
  // The whole name has to match.
  assert.deepEqual(ask1("resource=dynamic_active_clusters&name_regex=yn"), {});
  assert.deepEqual(ask1("mask=bootstrap.node.id"), {
    configs: [{ "@type": `${admin}BootstrapConfigDump`, bootstrap: { node: { id: "n1" } } }],
  });
  assert.deepEqual(applyMasks({ a: { b: 1, c: [{ d: 1 }] }, e: 2 }, [["a", "c"], ["x"]]), { a: { c: [{ d: 1 }] } });
});
