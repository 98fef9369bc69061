// Hot loading under load: a steady rate of requests while one thing a second changes, in turn: module file, plugin configuration,
// route file, endpoints, listener, a plugin added and removed; and now and then something that must be refused. Counts what failed,
// and whether any request saw two versions of one thing.
//   node dist/test/load/hot-loading.js [--seconds 60] [--rate 2000] [--concurrency 2]
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { freePort } from "../../host/server/ports.ts";
import { startEcho } from "./echo.ts";
import { SteadyClient } from "./steady-client.ts";

export interface HotLoadingOptions {
  readonly seconds: number;
  readonly rate: number;
  readonly concurrency: number;
}

export interface HotLoadingResult {
  readonly requests: number;
  readonly failures: number;
  readonly mixed: number;
  readonly firstFailures: readonly string[];
  readonly changes: Readonly<Record<string, number>>;
  readonly pluginVersions: number;
  readonly routeVersions: number;
  readonly upstreams: number;
  readonly slowestChangeMs: number;
  readonly refusals: readonly string[];
  readonly rssBeforeMb: number;
  readonly rssAfterMb: number;
}

const FILTERS = new URL("../../filters/", import.meta.url);
const HOST = new URL("../../host/main.js", import.meta.url).pathname;
const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

/** Files are replaced by rename, as config maps and careful editors do. */
function replace(path: string, text: string | Buffer): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

class Files {
  readonly folder = mkdtempSync(join(tmpdir(), "sluice-hot-"));
  readonly plugins = join(this.folder, "plugins");
  private readonly port: number;
  private readonly upstreams: readonly number[];
  private moduleVersion = 0;

  constructor(port: number, upstreams: readonly number[]) {
    this.port = port;
    this.upstreams = upstreams;
    mkdirSync(this.plugins);
  }

  bootstrap(adminPort: number): string {
    const path = join(this.folder, "bootstrap.json");
    const file = (name: string): object => ({ path_config_source: { path: join(this.folder, name) } });
    writeFileSync(
      path,
      JSON.stringify({
        node: { id: "hot", cluster: "hot" },
        admin: { address: socket(adminPort) },
        dynamic_resources: { lds_config: file("lds.json"), cds_config: file("cds.json") },
      }),
    );
    return path;
  }

  listener(version: number): void {
    const hcm = {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: "hot",
      // What is no route and no filter makes another filter chain: connections of the one before drain.
      stream_idle_timeout: `${300 + version}s`,
      rds: { route_config_name: "hot", config_source: { path_config_source: { path: join(this.folder, "rds.json") } } },
      http_filters: [
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        },
      ],
    };
    const listener = {
      "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
      name: "hot",
      address: socket(this.port),
      filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: hcm }] }],
    };
    replace(join(this.folder, "lds.json"), JSON.stringify({ version_info: String(version), resources: [listener] }));
  }

  clusters(): void {
    const cluster = {
      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      name: "up",
      type: "EDS",
      eds_cluster_config: { eds_config: { path_config_source: { path: join(this.folder, "eds.json") } } },
    };
    replace(join(this.folder, "cds.json"), JSON.stringify({ version_info: "1", resources: [cluster] }));
  }

  endpoints(version: number): void {
    const used = version % 2 === 0 ? this.upstreams : [this.upstreams[version % 4 === 1 ? 0 : 1]];
    const assignment = {
      "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
      cluster_name: "up",
      endpoints: [{ lb_endpoints: used.map((port) => ({ endpoint: { address: socket(port) } })) }],
    };
    replace(join(this.folder, "eds.json"), JSON.stringify({ version_info: String(version), resources: [assignment] }));
  }

  routes(version: number): void {
    const set = (name: string): object => ({ header: { key: name, value: `r${version}` }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" });
    const table = {
      "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
      name: "hot",
      request_headers_to_add: [set("x-route-request")],
      response_headers_to_add: [set("x-route-response")],
      virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] }],
    };
    replace(join(this.folder, "rds.json"), JSON.stringify({ version_info: String(version), resources: [table] }));
  }

  plugin(version: number): void {
    this.resource("versions.yaml", "versions", {
      request: { set: { "x-plugin-request": `p${version}` } },
      response: { set: { "x-plugin-response": `p${version}` } },
    });
  }

  extra(present: boolean): void {
    if (present) this.resource("extra.yaml", "extra", { response: { set: { "x-extra": "1" } } });
    else rmSync(join(this.plugins, "extra.yaml"), { force: true });
  }

  private resource(file: string, name: string, pluginConfig: object, more: object = {}): void {
    const resource = {
      apiVersion: "extensions.istio.io/v1alpha1",
      kind: "WasmPlugin",
      metadata: { name, namespace: "hot" },
      spec: { url: pathToFileURL(join(this.folder, "module.wasm")).href, pluginConfig, ...more },
    };
    replace(join(this.plugins, file), JSON.stringify(resource));
  }

  /** The same code with another custom section: another digest, another compilation, other VMs. */
  module(): void {
    const bytes = readFileSync(new URL("header-mutation.wasm", FILTERS));
    const name = Buffer.from(`v${this.moduleVersion++}`);
    const section = Buffer.concat([Buffer.from([0, name.length + 1, name.length]), name]);
    replace(join(this.folder, "module.wasm"), Buffer.concat([bytes, section]));
  }

  /** What must be refused, one after the other; returns how to put it right again. */
  bad(kind: number, version: number): () => void {
    switch (kind % 4) {
      case 0:
        copyFileSync(new URL("authz.wasm", FILTERS), join(this.folder, "spare.wasm"));
        replace(join(this.folder, "module.wasm"), Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0xff, 0xff]));
        return () => this.module();
      case 1:
        this.resource("versions.yaml", "versions", { request: {} }, { sha256: "0".repeat(64) });
        return () => this.plugin(version);
      case 2:
        this.resource("versions.yaml", "versions", { request: { no_such_field: 1 } });
        return () => this.plugin(version);
      default:
        replace(
          join(this.folder, "rds.json"),
          `{"version_info": "bad", "resources": [{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "hot", "virtual_hosts": [{"name": "x"`,
        );
        return () => this.routes(version);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function unseen(change: () => void): () => undefined {
  return () => {
    change();
    return undefined;
  };
}

function seen(change: () => void, done: () => boolean): () => () => boolean {
  return () => {
    change();
    return done;
  };
}

function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

export async function runHotLoading(options: HotLoadingOptions): Promise<HotLoadingResult> {
  const upstreams = [await startEcho(), await startEcho()];
  const port = await freePort("127.0.0.1");
  const adminPort = await freePort("127.0.0.1");
  const files = new Files(
    port,
    upstreams.map((upstream) => upstream.port),
  );
  files.module();
  files.clusters();
  files.endpoints(0);
  files.routes(0);
  files.listener(0);
  files.plugin(0);
  const child = spawn(
    process.execPath,
    [
      HOST,
      "run",
      "-c",
      files.bootstrap(adminPort),
      "--plugins",
      files.plugins,
      "--concurrency",
      String(options.concurrency),
      "--drain-time-s",
      "5",
      "--log-json",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const refusals: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().split("\n")) if (/refused|rejected|stays/i.test(line)) refusals.push(line);
  });
  const client = new SteadyClient(port, options.rate);
  await client.untilReady();
  client.start();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const rssBeforeMb = rssMb(child.pid ?? 0);

  const changes: Record<string, number> = {};
  let version = 0;
  let slowestChangeMs = 0;
  let extra = false;
  /** A step makes one change; what it returns says whether the change has reached the client, if that can be seen. */
  const steps: readonly (readonly [string, () => (() => boolean) | undefined])[] = [
    ["module", unseen(() => files.module())],
    [
      "plugin config",
      seen(
        () => files.plugin(++version),
        () => client.lastPlugin === `p${version}`,
      ),
    ],
    [
      "route",
      seen(
        () => files.routes(++version),
        () => client.lastRoute === `r${version}`,
      ),
    ],
    ["endpoints", unseen(() => files.endpoints(++version))],
    ["listener", unseen(() => files.listener(++version))],
    [
      "plugin added or removed",
      seen(
        () => {
          extra = !extra;
          files.extra(extra);
        },
        () => client.lastExtra === extra,
      ),
    ],
  ];
  let routeVersion = 0;
  let pluginVersion = 0;
  for (let second = 0; second < options.seconds; second++) {
    const begin = performance.now();
    const [name, change] = steps[second % steps.length];
    const done = change();
    changes[name] = (changes[name] ?? 0) + 1;
    if (name === "route") routeVersion = version;
    if (name === "plugin config") pluginVersion = version;
    if (done !== undefined) {
      while (!done() && performance.now() - begin < 900) await new Promise((resolve) => setTimeout(resolve, 2));
      slowestChangeMs = Math.max(slowestChangeMs, performance.now() - begin);
    }
    if (second % 7 === 6) {
      const kind = Math.floor(second / 7);
      const repair = files.bad(kind, kind % 4 === 3 ? routeVersion : pluginVersion);
      changes.refused = (changes.refused ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 300));
      repair();
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 - (performance.now() - begin))));
  }
  const summary = await client.stop();
  await new Promise((resolve) => setTimeout(resolve, 6000));
  const rssAfterMb = rssMb(child.pid ?? 0);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
  for (const upstream of upstreams) await upstream.close();
  files.remove();
  return {
    ...summary,
    changes,
    slowestChangeMs: Math.round(slowestChangeMs),
    refusals,
    rssBeforeMb: Math.round(rssBeforeMb),
    rssAfterMb: Math.round(rssAfterMb),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      rate: { type: "string", default: "2000" },
      concurrency: { type: "string", default: "2" },
    },
  });
  const result = await runHotLoading({
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    concurrency: Number(values.concurrency),
  });
  process.stdout.write(`${JSON.stringify({ ...result, refusals: result.refusals.slice(0, 8) }, null, 2)}\n`);
  process.exitCode = result.failures + result.mixed > 0 ? 1 : 0;
}
