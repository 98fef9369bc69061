// ORIGINAL_DST clusters: the address that the client meant to reach, restored by a listener filter or named by a header. The port comes
// from the cluster, because a case cannot know the upstream's.
import { bootstrap, get } from "../config.ts";
import type { GroupPorts, ParityGroup } from "../harness.ts";

const STATS = ["upstream_cx_total", "upstream_cx_none_healthy", "original_dst_host_invalid", "upstream_rq_total", "membership_total"].map(
  (name) => `cluster.orig.${name}`,
);
const PROXY = "PROXY TCP4 192.0.2.7 127.0.0.1 40000 1\r\n";

function group(name: string, listener: object, lb: object): Pick<ParityGroup, "name" | "config"> {
  return {
    name: `original destination: ${name}`,
    config: (ports: GroupPorts) =>
      bootstrap(ports, {
        routes: [{ match: { prefix: "/" }, route: { cluster: "orig", retry_policy: { retry_on: "5xx" } } }],
        listener,
        clusters: [
          {
            name: "orig",
            type: "ORIGINAL_DST",
            lb_policy: "CLUSTER_PROVIDED",
            connect_timeout: "1s",
            original_dst_lb_config: { upstream_port_override: ports.upstream, ...lb },
          },
        ],
      }),
  };
}

const restored: ParityGroup = {
  ...group(
    "restored",
    {
      listener_filters: [
        {
          name: "proxy",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
            allow_requests_without_proxy_protocol: true,
          },
        },
      ],
    },
    {},
  ),
  cases: [
    { name: "the address of the PROXY header", requests: [{ raw: `${PROXY}${get("/a").raw}` }], stats: STATS },
    { name: "the same host again", requests: [{ raw: `${PROXY}${get("/b").raw}` }], stats: STATS },
    { name: "nothing was restored", requests: [get("/c")], stats: STATS },
    { name: "a header says nothing here", requests: [get("/d", "x-envoy-original-dst-host: 127.0.0.1:1")], stats: STATS },
  ],
};

const header = (value: string): string => `x-envoy-original-dst-host: ${value}`;

const named: ParityGroup = {
  ...group("named by a header", {}, { use_http_header: true }),
  cases: [
    { name: "an address", requests: [get("/a", header("127.0.0.1:1"))], stats: STATS },
    { name: "no port", requests: [get("/a", header("127.0.0.1"))], stats: STATS },
    { name: "no address", requests: [get("/a", header("localhost:80"))], stats: STATS },
    { name: "a port that is none", requests: [get("/a", header("127.0.0.1:99999"))], stats: STATS },
    { name: "empty", requests: [get("/a", header(""))], stats: STATS },
    { name: "no header", requests: [get("/a")], stats: STATS },
  ],
};

const otherName: ParityGroup = {
  ...group("another header", {}, { use_http_header: true, http_header_name: "X-Where" }),
  cases: [
    { name: "it is read", requests: [get("/a", "x-where: 127.0.0.1:1")], stats: STATS },
    { name: "the usual one is not", requests: [get("/a", header("127.0.0.1:1"))], stats: STATS },
  ],
};

export const originalDestination: readonly ParityGroup[] = [restored, named, otherName];
