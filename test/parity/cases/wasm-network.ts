// Wasm on connections: the order of callbacks, buffers of both directions, routing by the first bytes, closing, failing.
import { tcpBootstrap, tcpFilter, wasmNetworkFilter } from "../config.ts";
import type { ParityCase, ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";

const UPSTREAM = { "/a": "answer", "/close": "bye<close>" };
const say = (path: string): string => `GET ${path} x\r\n\r\n`;
/** The end comes by itself, or it would be one event with the bytes in Envoy and two here. */
const ONCE: ParityCase = {
  name: "one message, then the client ends",
  requests: [{ raw: say("/a"), later: [""], halfClose: true, end: true }],
};
const THREE: ParityCase = {
  name: "three pieces, then the client ends",
  requests: [{ raw: "GET /a", later: [" x", "\r\n\r\n", ""], halfClose: true, end: true }],
};

function group(name: string, program: string, cases: readonly ParityCase[] = [ONCE], tcp: object = {}, more: object = {}): ParityGroup {
  return {
    name: `wasm network: ${name}`,
    upstream: UPSTREAM,
    config: (ports) =>
      tcpBootstrap(ports, [
        wasmNetworkFilter("probe", compiledModule("probe"), `#tcp;${program}`, more),
        tcpFilter(ports, { cluster: "up", ...tcp }),
      ]),
    cases,
  };
}

const EVENTS = "nc:;dd:;ud:;dc:;uc:;log:;done:;delete:";
const EARLY = { max_early_data_bytes: 1000 };
const ADDRESSES =
  "prop source.address destination.address connection.mtls connection.requested_server_name connection.tls_version connection.termination_details upstream.address upstream.request_attempt_count xds.listener_direction xds.filter_chain_name xds.cluster_name xds.route_name plugin_name request.path request.size response.code response.flags response.size";

export const wasmNetwork: readonly ParityGroup[] = [
  group("order", EVENTS, [
    ONCE,
    {
      name: "the upstream ends first",
      requests: [{ raw: say("/close"), later: ["x"], halfClose: true, end: true }],
      without: { parts: ["guest"], why: "bytes and their end are two events here, one or two in Envoy" },
    },
  ]),
  group("hold what the client sends", "dd:ret 1|body 2;dd3:ret 0|body 2;ud:body 3", [THREE]),
  group(
    "edit at the ends",
    "dd:body 2|splice 2 0 0 GET~/a~|splice 2 99 0 ~|blen 2|blen 3|body 3|splice 3 0 0 x;ud:body 3|splice 3 0 1 U|body 2",
    [ONCE],
  ),
  group("replace", "dd:splice 2 0 99 ^;ud:splice 3 0 99 ^", [ONCE]),
  {
    ...group("edit in the middle", "dd:splice 2 1 1 Z"),
    cases: [{ ...ONCE, differs: "set_buffer_bytes replaces any range here" }],
  },
  group(
    "buffers of other kinds",
    "dd:body 0|body 1|body 4|body 6|body 8|blen 0|blen 4;nc:body 2|body 3|blen 2|splice 2 0 0 x;log:body 2|body 3",
  ),
  group("stop at the start", "nc:ret 1;dd:;dd2:continue 2", [THREE]),
  group("stop at the start, with early data", "nc:ret 1;dd:;dd2:continue 2|ret 1", [THREE], EARLY),
  group("route by the first bytes", "nc:ret 1;dd:body 2|filterstate envoy.tcp_proxy.cluster none", [ONCE], EARLY),
  group("route at the start", "nc:filterstate envoy.tcp_proxy.cluster none", [
    { ...ONCE, without: { parts: ["client"], why: "an RST or a FIN" } },
  ]),
  group("set_property has its own names", "nc:setprop envoy.tcp_proxy.cluster none"),
  group("stream calls", "dd:continue 0|continue 1|continue 2|continue 3|continue 4|close 0|close 1"),
  group("close from the client's side", "dd:close 2;dc:;uc:;log:"),
  group("close from the upstream's side", "ud:close 3;dc:;uc:;log:"),
  group("close at the start", "nc:close 2;dd:;dc:;log:", [{ ...ONCE, without: { parts: ["client"], why: "an RST or a FIN" } }]),
  group("a local reply has no effect", "dd:reply 403 no;dc:"),
  ...["nc", "dd", "ud", "dc", "log"].map((phase) => group(`properties in ${phase}`, `${phase}:${ADDRESSES}`)),
  group("call and go on", "nc:ret 1|call ans up 1000 ^ :method=GET :path=/http :authority=a;dd:;ans:body 2|continue 2;dc:", [ONCE], EARLY),
  group("trap at the start", "nc:trap;dd:;dc:;log:", [{ ...ONCE, without: { parts: ["client"], why: "an RST or a FIN" } }]),
  group("trap in data", "dd:trap;dc:;log:"),
  group("trap in the upstream's data", "ud:trap;dc:;log:"),
  {
    ...group("trap with FAIL_OPEN", "dd:trap;dc:;log:", [ONCE], {}, { failure_policy: "FAIL_OPEN" }),
    cases: [{ ...ONCE, differs: "a connection in which a FAIL_OPEN plugin traps passes here" }],
  },
];
