// Pieces of bootstraps for the parity groups.
import type { GroupPorts } from "./harness.ts";

const type = (name: string): string => `type.googleapis.com/${name}`;

export const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

export const ROUTER = {
  name: "envoy.filters.http.router",
  typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") },
};

export const LOG_FORMAT =
  "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% " +
  "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %ROUTE_NAME% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQ(:AUTHORITY)%\n";

export function staticCluster(name: string, ports: readonly number[], more: object = {}): object {
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: ports.length === 0 ? [] : [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: socket(port) } })) }],
    },
    ...more,
  };
}

/** A cluster that speaks HTTP/2. */
export function http2Cluster(name: string, ports: readonly number[], more: object = {}): object {
  return staticCluster(name, ports, {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    ...more,
  });
}

export interface GroupConfig {
  readonly routes?: readonly object[];
  readonly virtualHosts?: readonly object[];
  readonly routeConfig?: object;
  readonly hcm?: object;
  readonly httpFilters?: readonly object[];
  readonly clusters?: readonly object[];
  readonly logFormat?: object;
  readonly logFilter?: object;
}

/** One listener with one connection manager; cluster "up" is the recording upstream, "dead" a port without listener, "none" is empty. */
export function bootstrap(ports: GroupPorts, config: GroupConfig): object {
  const virtualHosts = config.virtualHosts ?? [
    { name: "all", domains: ["*"], routes: config.routes ?? [{ match: { prefix: "/" }, route: { cluster: "up" } }] },
  ];
  return {
    node: { id: "parity", cluster: "parity" },
    admin: { address: socket(ports.admin) },
    static_resources: {
      listeners: [
        {
          name: "parity",
          address: socket(ports.proxy),
          filter_chains: [
            {
              filters: [
                {
                  name: "envoy.filters.network.http_connection_manager",
                  typed_config: {
                    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                    stat_prefix: "parity",
                    access_log: [
                      {
                        name: "file",
                        filter: config.logFilter,
                        typed_config: {
                          "@type": type("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
                          path: ports.log,
                          log_format: config.logFormat ?? { text_format_source: { inline_string: LOG_FORMAT } },
                        },
                      },
                    ],
                    route_config: { name: "table", virtual_hosts: virtualHosts, ...config.routeConfig },
                    http_filters: [...(config.httpFilters ?? []), ROUTER],
                    ...config.hcm,
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        staticCluster("up", [ports.upstream]),
        staticCluster("dead", [ports.dead]),
        staticCluster("none", []),
        ...(config.clusters ?? []),
      ],
    },
  };
}

export function wasmFilter(name: string, path: string, configuration: string | undefined, more: object = {}): object {
  return {
    name,
    typed_config: {
      "@type": type("envoy.extensions.filters.http.wasm.v3.Wasm"),
      config: {
        name,
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } },
        ...(configuration === undefined ? {} : { configuration: { "@type": type("google.protobuf.StringValue"), value: configuration } }),
        ...more,
      },
    },
  };
}

/** A GET on `path` with more header lines. */
export function get(path: string, ...lines: readonly string[]): { readonly raw: string } {
  return { raw: `GET ${path} HTTP/1.1\r\n${["host: a.example", ...lines].join("\r\n")}\r\n\r\n` };
}

export function post(path: string, body: string, ...lines: readonly string[]): { readonly raw: string } {
  return { raw: `POST ${path} HTTP/1.1\r\n${["host: a.example", `content-length: ${body.length}`, ...lines].join("\r\n")}\r\n\r\n${body}` };
}
