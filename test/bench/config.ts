// Configurations of the contenders: one bootstrap for Sluice and Envoy alike, and the same proxying in nginx's and HAProxy's words.

export interface Ports {
  readonly proxy: number;
  readonly admin: number;
  readonly upstream: number;
}

/** What is spoken on both sides. */
export interface Shape {
  readonly down: "http1" | "http2" | "tcp";
  readonly up: "http1" | "http2";
  /** Files for TLS to clients; undefined: none. */
  readonly tls: { readonly certificate: string; readonly key: string; readonly both: string } | undefined;
  readonly authzModule: string | undefined;
}

export const PLAIN: Shape = { down: "http1", up: "http1", tls: undefined, authzModule: undefined };

const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

function transportSocket({ tls, down }: Shape): object {
  if (tls === undefined) return {};
  return {
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context: {
          alpn_protocols: down === "http2" ? ["h2"] : ["http/1.1"],
          tls_certificates: [{ certificate_chain: { filename: tls.certificate }, private_key: { filename: tls.key } }],
        },
      },
    },
  };
}

const TCP_PROXY = {
  name: "envoy.filters.network.tcp_proxy",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    stat_prefix: "bench",
    cluster: "upstream",
  },
};

const SPEAKS_HTTP2 = {
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

export function bootstrap(ports: Ports, shape: Shape): string {
  const { authzModule } = shape;
  const wasm = {
    name: "authz",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      config: {
        name: "authz",
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: authzModule } } },
        configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: JSON.stringify(AUTHZ_POLICY) },
      },
    },
  };
  return JSON.stringify({
    node: { id: "bench", cluster: "bench" },
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: [
        {
          name: "bench",
          address: address(ports.proxy),
          filter_chains: [
            {
              ...transportSocket(shape),
              filters:
                shape.down === "tcp"
                  ? [TCP_PROXY]
                  : [
                      {
                        name: "envoy.filters.network.http_connection_manager",
                        typed_config: {
                          "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                          stat_prefix: "bench",
                          use_remote_address: true,
                          normalize_path: true,
                          route_config: {
                            name: "bench",
                            virtual_hosts: [
                              { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "upstream" } }] },
                            ],
                          },
                          http_filters: [
                            ...(authzModule === undefined ? [] : [wasm]),
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
          name: "upstream",
          type: "STATIC",
          ...(shape.up === "http2" ? SPEAKS_HTTP2 : {}),
          load_assignment: {
            cluster_name: "upstream",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(ports.upstream) } }] }],
          },
        },
      ],
    },
  });
}

/** Asks for method, path and source on every request: the usual three host calls. */
const AUTHZ_POLICY = {
  policies: [
    { name: "no-admin", action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin*"], methods: ["POST", "PUT", "DELETE"] } }] }] },
    {
      name: "web",
      action: "ALLOW",
      rules: [{ to: [{ operation: { methods: ["GET", "POST"] } }], when: [{ key: "request.headers[user-agent]", notValues: ["evil*"] }] }],
    },
  ],
};

/** HTTP/1.1 on one port, HTTP/2 on the other; /grpc answers as a unary call does. */
export function nginxUpstream(port: number, http2Port: number, folder: string): string {
  const locations = `location / { return 200 "hello world\\n"; }
    location /grpc { default_type application/grpc; add_trailer grpc-status 0; return 200 "hello world\\n"; }`;
  return `worker_processes 1; pid ${folder}/upstream.pid; error_log /dev/null; daemon off;
events { worker_connections 4096; }
http { access_log off; client_max_body_size 0; keepalive_requests 1000000000; client_body_temp_path ${folder}/b;
  proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${port} backlog=4096; ${locations} }
  server { listen 127.0.0.1:${http2Port} http2 backlog=4096; ${locations} } }
`;
}

/** nginx speaks HTTP/1.1 to upstreams only. */
export function nginxProxy(ports: Ports, folder: string, { down, tls }: Shape): string {
  const listen = `127.0.0.1:${ports.proxy}${tls === undefined ? "" : " ssl"}${down === "http2" ? " http2" : ""}`;
  const certificate = tls === undefined ? "" : `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};`;
  return `worker_processes 1; pid ${folder}/proxy.pid; error_log /dev/null; daemon off;
events { worker_connections 4096; }
http { access_log off; client_max_body_size 0; keepalive_requests 1000000000; client_body_temp_path ${folder}/pb;
  proxy_temp_path ${folder}/pp; fastcgi_temp_path ${folder}/pf; uwsgi_temp_path ${folder}/pu; scgi_temp_path ${folder}/ps;
  upstream up { server 127.0.0.1:${ports.upstream}; keepalive 256; keepalive_requests 1000000000; }
  server { listen ${listen} backlog=4096; ${certificate} location / {
    proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-Id $request_id; } } }
`;
}

export function haproxy(ports: Ports, { down, up, tls }: Shape): string {
  const bind =
    tls === undefined ? (down === "http2" ? "proto h2" : "") : `ssl crt ${tls.both} alpn ${down === "http2" ? "h2" : "http/1.1"}`;
  const isHttp = down !== "tcp";
  const requestRules = `  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
`;
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode ${isHttp ? "http" : "tcp"}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${isHttp ? "  option http-keep-alive\n  http-reuse always\n" : ""}frontend f
  bind 127.0.0.1:${ports.proxy} ${bind}
${isHttp ? requestRules : ""}  default_backend b
backend b
  server s 127.0.0.1:${ports.upstream} ${up === "http2" ? "proto h2" : ""}
`;
}
