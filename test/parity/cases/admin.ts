// The admin API, asked through the proxy itself: one route leads to its own admin port. The status, the type and the body are compared;
// not the framing (ours has a length) and not the policy for browsers that ours adds.
import { bootstrap, get, post, staticCluster } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

export const adminOutput: ParityGroup = {
  name: "admin output",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/up" }, route: { cluster: "up" } },
        {
          match: { prefix: "/" },
          route: { cluster: "admin", host_rewrite_literal: "127.0.0.1" },
          response_headers_to_remove: ["content-length", "content-security-policy", "date"],
        },
      ],
      clusters: [staticCluster("admin", [ports.admin])],
    }),
  cases: [
    { name: "ready", requests: [get("/ready"), get("/ready?x=1")] },
    { name: "ready by HEAD", requests: [{ raw: "HEAD /ready HTTP/1.1\r\nhost: a.example\r\n\r\n" }] },
    {
      name: "mutations by GET",
      requests: [get("/reset_counters"), get("/healthcheck/fail"), get("/quitquitquit"), get("/drain_listeners")],
    },
    {
      name: "health check failure and back",
      differs: "connections stay open here while the health check fails; Envoy ends them with their next answer",
      requests: [post("/healthcheck/fail", ""), get("/ready"), post("/healthcheck/ok", ""), get("/ready")],
    },
    { name: "listeners", requests: [get("/listeners")] },
    { name: "listeners as JSON", requests: [get("/listeners?format=json")] },
    { name: "counters by name", requests: [get("/up"), get("/stats?filter=^http.parity.downstream_rq_(2xx|4xx|5xx|completed)$")] },
    { name: "counters as JSON", requests: [get("/stats?filter=^cluster.up.upstream_rq_(2xx|total)$&format=json")] },
    { name: "counters for Prometheus", requests: [get("/stats/prometheus?filter=^cluster.up.upstream_rq_total$")] },
    { name: "counters by type", requests: [get("/stats?filter=^cluster.up.upstream_(rq|cx)_active$&type=Gauges")] },
    {
      name: "an impossible filter",
      differs: "the expression engine's own words; the status is the same",
      requests: [get("/stats?filter=(")],
    },
    { name: "an unknown format", requests: [get("/stats?format=blah")] },
    { name: "counters start again", requests: [post("/reset_counters", ""), get("/stats?filter=^cluster.up.upstream_rq_total$")] },
    {
      name: "an impossible mask",
      differs: "the type names its charset and may not be guessed, as for every other answer; the status is the same",
      requests: [get("/config_dump?mask=nosuch")],
    },
    {
      name: "an unknown resource",
      differs: "the type names its charset and may not be guessed, as for every other answer; the status is the same",
      requests: [get("/config_dump?resource=nosuch")],
    },
    {
      name: "a level",
      differs: "each program lists its own loggers; the status and the usage are the same",
      requests: [post("/logging?level=nosuch", "")],
    },
    { name: "a path that is none", requests: [{ raw: "HEAD /nosuch HTTP/1.1\r\nhost: a.example\r\n\r\n" }] },
  ],
};
