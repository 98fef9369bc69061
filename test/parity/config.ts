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

/** Of a cluster: HTTP/2 to its hosts, or with `use_downstream_protocol_config` what the client speaks. */
export const httpOptions = (fields: object): object => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
      ...fields,
    },
  },
});
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
  /** Fields of the cluster "up". */
  readonly up?: object;
  readonly logFormat?: object;
  readonly logFilter?: object;
  /** Fields of the listener, and of its only filter chain. */
  readonly listener?: object;
  readonly chain?: object;
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
          ...config.listener,
          filter_chains: [
            {
              ...config.chain,
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
        staticCluster("up", [ports.upstream], config.up),
        staticCluster("dead", [ports.dead]),
        staticCluster("none", []),
        ...(config.clusters ?? []),
      ],
    },
  };
}

export const TCP_LOG_FORMAT =
  "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% " +
  "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT% " +
  "%ACCESS_LOG_TYPE% %UPSTREAM_REMOTE_ADDRESS% %PROTOCOL% %RESPONSE_CODE% ms_a=%DURATION%\n";

/** A TCP proxy that logs. */
export function tcpFilter(ports: GroupPorts, fields: object): object {
  return {
    name: "tcp",
    typed_config: {
      "@type": type("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
      stat_prefix: "t",
      access_log: [
        {
          name: "file",
          typed_config: {
            "@type": type("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
            path: ports.log,
            log_format: { text_format_source: { inline_string: TCP_LOG_FORMAT } },
          },
        },
      ],
      ...fields,
    },
  };
}

/** One listener with these network filters; clusters as in bootstrap(). */
export function tcpBootstrap(ports: GroupPorts, filters: readonly object[], clusters: readonly object[] = []): object {
  return {
    node: { id: "parity", cluster: "parity" },
    admin: { address: socket(ports.admin) },
    static_resources: {
      listeners: [{ name: "parity", address: socket(ports.proxy), filter_chains: [{ filters }] }],
      clusters: [staticCluster("up", [ports.upstream]), staticCluster("dead", [ports.dead]), staticCluster("none", []), ...clusters],
    },
  };
}

export function wasmNetworkFilter(name: string, path: string, configuration: string, more: object = {}): object {
  return {
    name,
    typed_config: {
      "@type": type("envoy.extensions.filters.network.wasm.v3.Wasm"),
      config: {
        name,
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } },
        configuration: { "@type": type("google.protobuf.StringValue"), value: configuration },
        ...more,
      },
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
