// Shared by the tests of this folder: stand-ins for what is injected, and a bootstrap to change one field of.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { LiveModuleSource, RemoteModuleSource } from "../../../host/config/extension.ts";
import type { RemoteCode, ResolvedModule } from "../../../host/config/module-code.ts";
import type { XdsClock, XdsLog } from "../../../host/xds/clock.ts";
import type { XdsServices } from "../../../host/xds/context.ts";
import { builtInExtensions } from "../../../host/xds/extensions.ts";
import type { Json } from "../../../host/xds/message.ts";
import { createFileModuleSource } from "../../../host/xds/module-source.ts";

/** The eight bytes of an empty module, and a tail that makes modules differ. */
export function moduleBytes(tail = ""): Uint8Array {
  const payload = Buffer.from(`\u0001x${tail}`);
  // A custom section named "x" keeps it a module.
  return Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, payload.length]), payload]);
}

export function testServices(environment: Readonly<Record<string, string>> = {}): XdsServices & { readonly modules: LiveModuleSource } {
  return {
    checkRegex: (regex) => (regex.includes("(?=") ? "invalid perl operator: (?=" : undefined),
    checkFormat: (format) => (/%BOGUS/.test(format) ? "Not supported field in StreamInfo: BOGUS" : undefined),
    modules: createFileModuleSource(),
    environment,
    extensions: builtInExtensions,
  };
}

export const silentLog: XdsLog = { info: () => undefined, warn: () => undefined };

/** Answers about remote modules as a test gives them. */
export class FakeRemote implements RemoteModuleSource {
  readonly answers = new Map<string, ResolvedModule>();
  readonly asked: RemoteCode[] = [];
  readonly #listeners = new Set<() => void>();
  #isChanged = false;

  resolve(code: RemoteCode): ResolvedModule {
    this.asked.push(code);
    return this.answers.get(code.url) ?? { pending: code.url };
  }
  /** A fetch ended. */
  end(url: string, answer: ResolvedModule): void {
    this.answers.set(url, answer);
    this.#isChanged = true;
    for (const listener of this.#listeners) listener();
  }
  refresh(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }
  bytesOf(): undefined {}
  release(): void {}
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  get listenerCount(): number {
    return this.#listeners.size;
  }
}

/** Time that moves when it is told to. */
export function manualClock(): XdsClock & { advance(ms: number): void } {
  let nowMs = 1_000_000;
  let timers: { readonly atMs: number; run(): void }[] = [];
  return {
    nowMs: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((other) => other !== timer)) };
    },
    advance(ms) {
      nowMs += ms;
      const due = timers.filter((timer) => timer.atMs <= nowMs);
      timers = timers.filter((timer) => timer.atMs > nowMs);
      for (const timer of due) timer.run();
    },
  };
}

/** A folder that goes when the test ends; `files` are written into it. */
export function temporaryFolder(test: TestContext, files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-xds-"));
  test.after(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

const prefix = "type.googleapis.com/envoy.";
export const types = {
  manager: `${prefix}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
  router: `${prefix}extensions.filters.http.router.v3.Router`,
  wasm: `${prefix}extensions.filters.http.wasm.v3.Wasm`,
  file: `${prefix}extensions.access_loggers.file.v3.FileAccessLog`,
  cluster: `${prefix}config.cluster.v3.Cluster`,
  listener: `${prefix}config.listener.v3.Listener`,
  routes: `${prefix}config.route.v3.RouteConfiguration`,
  endpoints: `${prefix}config.endpoint.v3.ClusterLoadAssignment`,
  extension: `${prefix}config.core.v3.TypedExtensionConfig`,
} as const;

export const routerFilter = { name: "envoy.filters.http.router", typed_config: { "@type": types.router } };

export function listenerJson(name: string, manager: Readonly<Record<string, Json>>, port = 10000): Json {
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: { "@type": types.manager, stat_prefix: "in", http_filters: [routerFilter], ...manager },
          },
        ],
      },
    ],
  };
}

export function clusterJson(name: string, more: Readonly<Record<string, Json>> = {}): Json {
  return {
    name,
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 8080 } } } }] }],
    },
    ...more,
  };
}

export function routesJson(name: string, cluster: string): Readonly<Record<string, Json>> {
  return { name, virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster } }] }] };
}

export function bootstrapJson(): Json {
  return {
    node: { id: "n", cluster: "c" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 9901 } } },
    static_resources: {
      listeners: [listenerJson("in", { route_config: routesJson("local", "service") })],
      clusters: [clusterJson("service")],
    },
  };
}

/** Paths of the bootstrap above. */
export const at = (() => {
  const listener = "static_resources.listeners[0]";
  const chain = `${listener}.filter_chains[0]`;
  const manager = `${chain}.filters[0].typed_config`;
  const table = `${manager}.route_config`;
  const host = `${table}.virtual_hosts[0]`;
  const route = `${host}.routes[0]`;
  const cluster = "static_resources.clusters[0]";
  const endpoints = `${cluster}.load_assignment.endpoints[0]`;
  const endpoint = `${endpoints}.lb_endpoints[0]`;
  return { listener, chain, manager, table, host, route, action: `${route}.route`, cluster, endpoints, endpoint };
})();

/** `json` with the value at the path replaced, or removed for undefined. Lists may grow by one. */
export function withValue(json: Json, path: string, value: Json | undefined): Json {
  const copy = structuredClone(json) as Json;
  const keys = [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map((match) => (match[1] === undefined ? match[2] : Number(match[1])));
  const last = keys.pop();
  let target = copy as unknown as Record<string | number, unknown>;
  for (const key of keys) {
    target[key] ??= {};
    target = target[key] as Record<string | number, unknown>;
  }
  if (last === undefined) return value ?? null;
  if (value === undefined) delete target[last];
  else target[last] = value;
  return copy;
}
