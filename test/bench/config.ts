// Configurations of the contenders: one bootstrap for Sluice and Envoy alike, and the same proxying in nginx's and HAProxy's words.

export interface Ports {
  readonly proxy: number;
  readonly admin: number;
  readonly upstream: number;
}

const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

/** `authzModule`: path of the authorization filter, or undefined for no filter. */
export function bootstrap(ports: Ports, authzModule: string | undefined): string {
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
              filters: [
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

export function nginxUpstream(port: number, folder: string): string {
  return `worker_processes 1; pid ${folder}/upstream.pid; error_log /dev/null; daemon off;
events { worker_connections 4096; }
http { access_log off; client_max_body_size 0; keepalive_requests 1000000000; client_body_temp_path ${folder}/b;
  proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 "hello world\\n"; } } }
`;
}

export function nginxProxy(ports: Ports, folder: string): string {
  return `worker_processes 1; pid ${folder}/proxy.pid; error_log /dev/null; daemon off;
events { worker_connections 4096; }
http { access_log off; client_max_body_size 0; keepalive_requests 1000000000; client_body_temp_path ${folder}/pb;
  proxy_temp_path ${folder}/pp; fastcgi_temp_path ${folder}/pf; uwsgi_temp_path ${folder}/pu; scgi_temp_path ${folder}/ps;
  upstream up { server 127.0.0.1:${ports.upstream}; keepalive 256; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${ports.proxy} backlog=4096; location / {
    proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-Id $request_id; } } }
`;
}

export function haproxy(ports: Ports): string {
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:${ports.proxy}
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  default_backend b
backend b
  server s 127.0.0.1:${ports.upstream}
`;
}
