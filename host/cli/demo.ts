// sluice demo (npm start): the host in front of an echo upstream, with two filters loaded from a watched folder, and what to try.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { startEchoUpstream } from "../server/echo-upstream.ts";
import { freePortFrom } from "../server/ports.ts";
import { Server, StartError } from "../server/server.ts";
import { VERSION } from "../server/version.ts";
import { describeFlags, type Flag, numberFlag, parseFlags, textFlag } from "./flags.ts";
import type { Verb } from "./verb.ts";

const FLAGS: readonly Flag[] = [
  { name: "port", type: "string", value: "N", help: "port of the proxy; the next free one if it is taken (default 10000)" },
  { name: "admin-port", type: "string", value: "N", help: "port of the admin API; the next free one if it is taken (default 9901)" },
  { name: "directory", type: "string", value: "DIR", help: "where the plugin resources are written (default sluice-demo)" },
  { name: "concurrency", type: "string", value: "N", help: "worker threads (default: one a core)" },
];

const AUTHZ = (url: string): string => `# Who may do what. Edit and save: the change is in force within 200 ms, no connection is touched.
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: authz
  namespace: demo
spec:
  url: ${url}
  phase: AUTHZ
  failStrategy: FAIL_CLOSE
  pluginConfig:
    policies:
      - name: no-admin
        action: DENY
        rules:
          - to:
              - operation:
                  paths: ["/admin*"]
`;

const HEADERS = (url: string): string => `# Headers added on the way to the upstream and back.
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: header-mutation
  namespace: demo
spec:
  url: ${url}
  failStrategy: FAIL_OPEN
  pluginConfig:
    request:
      set: { x-team: core }
    response:
      set: { x-served-by: sluice }
`;

function bootstrap(port: number, adminPort: number, upstreamPort: number): string {
  const address = (value: number): object => ({ socket_address: { address: "127.0.0.1", port_value: value } });
  return JSON.stringify({
    node: { id: "demo", cluster: "demo" },
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: "demo",
          address: address(port),
          filter_chains: [
            {
              filters: [
                {
                  name: "envoy.filters.network.http_connection_manager",
                  typed_config: {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    stat_prefix: "demo",
                    use_remote_address: true,
                    normalize_path: true,
                    route_config: {
                      name: "demo",
                      virtual_hosts: [{ name: "echo", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "echo" } }] }],
                    },
                    http_filters: [
                      {
                        name: "envoy.filters.http.router",
                        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "echo",
          type: "STATIC",
          load_assignment: { cluster_name: "echo", endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }] },
        },
      ],
    },
  });
}

/** dist/filters, seen from dist/bin/sluice.js or dist/host/cli/demo.js. */
function filterUrl(name: string): string {
  for (const up of ["../filters/", "../../filters/"]) {
    const url = new URL(`${up}${name}.wasm`, import.meta.url);
    if (existsSync(url)) return url.href;
  }
  throw new StartError([`${name}.wasm is not built; run: npm run build`]);
}

function tryThis(proxy: string, admin: string, policyFile: string): string {
  return [
    `sluice ${VERSION}`,
    `  proxy  ${proxy}   in front of an echo upstream`,
    `  admin  ${admin}`,
    "",
    "Try, in another terminal:",
    `  curl -i ${proxy}/hello     200: the upstream saw x-team, you see x-served-by`,
    `  curl -i ${proxy}/admin     403: denied by the policy "no-admin"`,
    "",
    "Change the policy without a restart, and ask again:",
    `  sed -i 's#/admin\\*#/private*#' ${policyFile}`,
    `  curl -i ${proxy}/admin     200`,
    "",
    `What is loaded where: curl ${admin}/_wasm/filters`,
    "Ctrl-C ends it.",
  ].join("\n");
}

export const demo: Verb = {
  name: "demo",
  summary: "run with an echo upstream and two sample filters, and say what to try",
  usage: "sluice demo [flags]",
  details: () => describeFlags(FLAGS),
  async execute(args, io) {
    const parsed = parseFlags(args, FLAGS);
    if (parsed.values.help === true) return "help";
    const directory = resolve(textFlag(parsed, "directory") ?? "sluice-demo");
    const policyFile = join(directory, "authz.yaml");
    const echo = await startEchoUpstream();
    try {
      mkdirSync(directory, { recursive: true });
      writeFileSync(policyFile, AUTHZ(filterUrl("authz")));
      writeFileSync(join(directory, "header-mutation.yaml"), HEADERS(filterUrl("header-mutation")));
      const port = await freePortFrom("127.0.0.1", numberFlag(parsed, "port", 1) ?? 10000);
      const adminPort = await freePortFrom("127.0.0.1", numberFlag(parsed, "admin-port", 1) ?? 9901);
      const server = new Server({
        config: { file: bootstrap(port, adminPort, echo.port) },
        configPath: undefined,
        pluginsDirectory: directory,
        concurrency: numberFlag(parsed, "concurrency", 1) ?? availableParallelism(),
        drainTimeS: 5,
        fileFlushIntervalMs: undefined,
        adminAddressPath: undefined,
        log: { level: "warning", components: [["config", "info"]], path: undefined, json: undefined },
        commandLine: {},
      });
      await server.start();
      const shown = relative(process.cwd(), policyFile);
      io.out(tryThis(`http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`, shown.startsWith("..") ? policyFile : shown));
      return await server.untilExit();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      for (const line of error.lines) io.error(line);
      return 1;
    } finally {
      await echo.close();
    }
  },
};
