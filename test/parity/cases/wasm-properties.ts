// Properties in their binary forms: all attributes that have a meaning without TLS, in every phase.
import { bootstrap, post, staticCluster, wasmFilter } from "../config.ts";
import type { GroupPorts, ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { run } from "./wasm-support.ts";

const props = (phase: string, ...names: readonly string[]): string => `${phase}:prop ${names.join(" ")}`;

const METADATA = {
  filter_metadata: { ns: { text: "v", number: 7.5, yes: true, no: false, none: null, list: ["a", 1], map: { deep: "d" } } },
};

function withMetadata(ports: GroupPorts): object {
  const config = bootstrap(ports, {
    hcm: { use_remote_address: true },
    virtualHosts: [
      {
        name: "all",
        domains: ["*"],
        metadata: { filter_metadata: { vh: { text: "host" } } },
        routes: [
          { name: "dead", match: { prefix: "/dead" }, route: { cluster: "dead" } },
          { name: "placed", match: { prefix: "/placed" }, route: { cluster: "placed" } },
          { name: "tagged", metadata: METADATA, match: { prefix: "/" }, route: { cluster: "tagged" } },
        ],
      },
    ],
    clusters: [
      staticCluster("tagged", [ports.upstream], { metadata: METADATA }),
      {
        ...staticCluster("placed", []),
        load_assignment: {
          cluster_name: "placed",
          endpoints: [
            {
              locality: { region: "r", zone: "z", sub_zone: "s" },
              lb_endpoints: [
                { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: ports.upstream } } } },
                { health_status: "UNHEALTHY", endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } } },
              ],
            },
          ],
        },
      },
    ],
    httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
  }) as { node: object; static_resources: { listeners: object[] } };
  config.node = {
    id: "parity",
    cluster: "parity",
    metadata: { KEY: "value", NUMBER: 1 },
    locality: { region: "r", zone: "z", sub_zone: "s" },
  };
  Object.assign(config.static_resources.listeners[0], { traffic_direction: "INBOUND", metadata: METADATA });
  return config;
}

const REQUEST = [
  "path",
  "url_path",
  "query",
  "host",
  "scheme",
  "method",
  "referer",
  "useragent",
  "id",
  "protocol",
  "size",
  "headers.x-a",
  "headers.x-none",
  "headers_bytes",
].map((name) => `request.${name}`);
const RESPONSE = ["code", "code_details", "flags", "grpc_status", "size", "headers.x-up", "headers_bytes", "trailers"].map(
  (name) => `response.${name}`,
);

export const wasmProperties: ParityGroup = {
  name: "wasm properties",
  config: withMetadata,
  upstream: {
    "/grpc": "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\ngrpc-status: 5\r\n\r\n",
    "/slow": "<delay:30>HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
  },
  cases: [
    {
      name: "request attributes",
      requests: [run(props("rh", ...REQUEST), "/up?q=1&r", "x-a: 1", "x-a: 2", "referer: r", "user-agent: u")],
    },
    {
      name: "request attributes in the response and the log",
      requests: [
        run(
          `${props("sh", ...REQUEST)};${props("log", ...REQUEST.filter((name) => name !== "request.headers_bytes"))}`,
          "/up?q=1",
          "x-a: 1",
        ),
      ],
    },
    {
      name: "response attributes",
      requests: [
        run(
          `${props("rh", ...RESPONSE)};${props("sh", ...RESPONSE)};${props("log", ...RESPONSE.filter((name) => name !== "response.headers_bytes"))}`,
        ),
      ],
    },
    {
      name: "response attributes of a failure",
      requests: [
        run(`${props("log", "response.code", "response.code_details", "response.flags", "upstream.transport_failure_reason")}`, "/dead"),
      ],
    },
    { name: "gRPC status", requests: [run(props("log", "response.grpc_status"), "/grpc", "content-type: application/grpc")] },
    {
      name: "request size of a body",
      requests: [post("/up", "abcdef", `x-do-probe: ${props("rh", "request.size")};${props("log", "request.size")}`)],
    },
    {
      name: "whole maps",
      requests: [
        run(
          "rh:proplen request.headers|prop response.headers response.trailers;sh:prop response.headers.x-up request.headers;log:proplen response.headers.x-up",
        ),
      ],
      without: { parts: ["guest"], why: "the length of request.headers has the port's digits in it" },
    },
    {
      name: "times and sizes",
      requests: [
        run(
          "rh:proplen request.time|prop request.duration request.total_size response.total_size response.backend_latency;log:proplen request.time|proplen request.duration|proplen request.total_size|proplen response.total_size|proplen response.backend_latency|proplen upstream.cx_pool_ready_duration",
          "/slow",
        ),
      ],
    },
    {
      name: "addresses",
      requests: [run("rh:prop source.address destination.address|proplen destination.port|proplen source.port", "/up")],
    },
    {
      name: "connection",
      requests: [
        run(
          props(
            "rh",
            "connection.mtls",
            "connection.requested_server_name",
            "connection.tls_version",
            "connection.termination_details",
            "connection.subject_peer_certificate",
            "connection.uri_san_peer_certificate",
            "connection.transport_failure_reason",
          ),
        ),
      ],
    },
    {
      name: "upstream",
      requests: [
        run(
          `${props("rh", "upstream.address", "upstream.port", "upstream.request_attempt_count")};${props("sh", "upstream.request_attempt_count", "upstream.tls_version", "upstream.transport_failure_reason", "upstream.subject_peer_certificate")};log:proplen upstream.address|proplen upstream.port|proplen upstream.local_address`,
        ),
      ],
    },
    {
      name: "locality and number of endpoints",
      requests: ["/up", "/placed"].map((path) =>
        run(
          ["rh", "sh", "log"]
            .map((phase) =>
              props(
                phase,
                ...["locality", "locality.region", "locality.zone", "locality.sub_zone", "locality.none", "num_endpoints"].map(
                  (name) => `upstream.${name}`,
                ),
              ),
            )
            .join(";"),
          path,
        ),
      ),
    },
    {
      name: "metadata of the virtual host",
      requests: ["/up", "/placed"].map((path) =>
        run(
          `rh:proplen xds.virtual_host_metadata|${["", ".filter_metadata.vh.text", ".filter_metadata.ns.text"].map((rest) => `prop xds.virtual_host_metadata${rest}`).join("|")};log:prop xds.virtual_host_metadata.filter_metadata.vh.text`,
          path,
        ),
      ),
    },
    {
      name: "xds names",
      requests: [
        run(
          `${props("rh", "xds.cluster_name", "xds.route_name", "xds.virtual_host_name", "xds.filter_chain_name", "xds.listener_direction")};${props("log", "xds.cluster_name", "xds.route_name", "xds.virtual_host_name")}`,
        ),
      ],
    },
    {
      name: "metadata of route, cluster and listener",
      requests: ["route", "cluster", "listener"].map((kind) =>
        run(
          props(
            "rh",
            ...["text", "number", "yes", "no", "none", "list", "list.0", "map", "map.deep", "absent"].map(
              (key) => `xds.${kind}_metadata.filter_metadata.ns.${key}`,
            ),
          ),
        ),
      ),
    },
    {
      name: "whole metadata",
      requests: [
        run(
          "rh:proplen xds.route_metadata|proplen xds.cluster_metadata|proplen xds.listener_metadata|proplen xds.route_metadata.filter_metadata|proplen xds.upstream_host_metadata|proplen metadata|proplen filter_state;sh:proplen xds.upstream_host_metadata",
        ),
      ],
    },
    {
      name: "node",
      requests: [
        run(
          props(
            "rh",
            "xds.node.id",
            "xds.node.cluster",
            "xds.node.metadata.KEY",
            "xds.node.metadata.NUMBER",
            "xds.node.locality.region",
            "xds.node.locality",
            "xds.node.absent",
          ),
        ),
      ],
    },
    {
      name: "names without a prefix",
      requests: [
        run(
          props(
            "rh",
            "plugin_name",
            "plugin_root_id",
            "plugin_vm_id",
            "node",
            "cluster_name",
            "route_name",
            "listener_direction",
            "cluster_metadata",
            "listener_metadata",
            "upstream_host_metadata",
            "nothing",
            "request",
            "xds",
            "response.nothing",
          ),
        ),
      ],
    },
    { name: "paths that are none", requests: [run("rh:prop ^|prop . request..path request.path.more request.headers.x-a.b")] },
    {
      name: "set and read",
      requests: [
        run(
          "rh:setprop one 1|prop one filter_state.wasm,one|setprop one 2|prop one|setprop a.b 3|prop a.b a|setprop empty ^|prop empty|setprop request.path x|prop request.path;sh:prop one;log:prop one",
        ),
      ],
    },
    {
      name: "a root has no stream",
      requests: [
        run(
          "rh:effective root|prop request.path xds.cluster_name plugin_name xds.node.id xds.listener_direction|setprop a b|prop a|dump 0|body 0|effective self|prop request.path",
        ),
      ],
    },
  ],
};
