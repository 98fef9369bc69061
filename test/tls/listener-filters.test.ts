// Listener filters on real sockets: bytes in pieces, limits and timeouts, the filter chain that they lead to.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { AcceptedFacts } from "../../host/net/accepted-facts.ts";
import { ProxyProtocolFilter } from "../../host/net/listener-filters/proxy-protocol-filter.ts";
import { StatsStore } from "../../host/stats/store.ts";
import { ALPN, clientHello, extension, records, SNI } from "../support/client-hello.ts";
import { dns, issue } from "../support/certificates.ts";
import { startProxy } from "../support/data-plane.ts";
import { rawRequest } from "./raw-request.ts";
import { ask, certificateJson, downstreamTls, type Fields } from "./support.ts";

const prefix = "type.googleapis.com/envoy.extensions.filters.listener.";
const MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = { name: "r", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } };
const server = issue({ names: [dns("a.example")] });

const filter = (name: string, message: string, config: Fields = {}, more: Fields = {}): Fields => ({
  name: `envoy.filters.listener.${name}`,
  typed_config: { "@type": `${prefix}${name}.v3.${message}`, ...config },
  ...more,
});
const tlsInspector = (config: Fields = {}, more: Fields = {}): Fields => filter("tls_inspector", "TlsInspector", config, more);
const httpInspector = filter("http_inspector", "HttpInspector");
const proxyProtocol = (config: Fields = {}): Fields => filter("proxy_protocol", "ProxyProtocol", config);

/** A chain that answers with its own name, and with what it knows of the client. */
function chain(name: string, match: Fields, more: Fields = {}): Fields {
  const body = `${name} %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME%`;
  const manager = {
    "@type": MANAGER,
    stat_prefix: name,
    http_filters: [ROUTER],
    route_config: {
      virtual_hosts: [
        {
          name,
          domains: ["*"],
          routes: [
            {
              match: { prefix: "/" },
              direct_response: { status: 200 },
              response_headers_to_add: [{ header: { key: "x-chain", value: body } }],
            },
          ],
        },
      ],
    },
  };
  return { name, filter_chain_match: match, filters: [{ name: "hcm", typed_config: manager }], ...more };
}

const secure = { transport_socket: downstreamTls({ tls_certificates: [certificateJson(server)] }) };
const CHAINS = [
  chain("sni", { server_names: ["a.example"] }, secure),
  chain("wild", { server_names: ["*.b.example"], transport_protocol: "tls" }, secure),
  chain("tls", { transport_protocol: "tls" }, secure),
  chain("http11", { transport_protocol: "raw_buffer", application_protocols: ["http/1.1"] }),
  chain("raw", { transport_protocol: "raw_buffer" }),
];

const chainOf = (text: string): string => /x-chain: (.*)\r\n/.exec(text)?.[1] ?? text;
const listening = (filters: readonly Fields[], more: Fields = {}, chains: readonly Fields[] = CHAINS): Fields => ({
  listener_filters: filters,
  filter_chains: chains,
  ...more,
});

test("inspectors choose the chain by SNI, protocol, or plain HTTP", async (t) => {
  const proxy = await startProxy(t, { listener: listening([tlsInspector(), httpInspector]) });
  const port = proxy.port();
  const name = async (servername: string): Promise<string> => chainOf((await ask(port, { servername })).text).split(" ")[0];
  assert.equal(await name("a.example"), "sni");
  assert.equal(await name("A.EXAMPLE"), "sni");
  assert.equal(await name("x.b.example"), "wild");
  assert.equal(await name("c.example"), "tls");
  assert.equal(chainOf(await rawRequest(port)).split(" ")[0], "http11");
  assert.equal(chainOf(await rawRequest(port, "GET / HTTP/1.0\r\nhost: a\r\n\r\n")).includes("426"), true);
  assert.equal(proxy.counter("tls_inspector.tls_found"), 4);
  assert.equal(proxy.counter("tls_inspector.sni_found"), 4);
  assert.equal(proxy.counter("tls_inspector.alpn_not_found"), 4);
  assert.equal(proxy.counter("tls_inspector.tls_not_found"), 2);
  assert.equal(proxy.counter("http_inspector.http11_found"), 1);
  assert.equal(proxy.counter("http_inspector.http10_found"), 1);
});

test("a handshake in single bytes reaches its chain", async (t) => {
  const proxy = await startProxy(t, { listener: listening([tlsInspector()]) });
  const carrier = connect({ host: "127.0.0.1", port: proxy.port(), noDelay: true });
  const write = carrier.write.bind(carrier);
  const secured = connectTls({
    // Each write of TLS leaves in pieces of one byte for its first 200.
    socket: Object.assign(carrier, {
      write: (data: Buffer, ...rest: readonly unknown[]) => {
        for (let at = 0; at < Math.min(200, data.length); at++) write(data.subarray(at, at + 1));
        return (write as (...given: readonly unknown[]) => boolean)(data.subarray(200), ...rest);
      },
    }),
    servername: "a.example",
    rejectUnauthorized: false,
  });
  const text = await new Promise<string>((resolve, reject) => {
    secured.on("error", reject);
    secured.once("data", (data: Buffer) => resolve(data.latin1Slice()));
    secured.once("secureConnect", () => secured.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  });
  secured.destroy();
  assert.equal(chainOf(text).split(" ")[0], "sni");
});

/** Sends pieces with a turn of the loop between them; resolves with all that came back when the connection ends or is quiet. */
async function sendPieces(port: number, pieces: readonly Buffer[]): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  let text = "";
  const done = new Promise<string>((resolve) => {
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.on("data", (data: Buffer) => {
      text += data.latin1Slice();
      if (text.includes("\r\n\r\n")) socket.destroy();
    });
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return done;
}

test("a PROXY header cut at every byte gives the client's address", async (t) => {
  const proxy = await startProxy(t, { listener: listening([proxyProtocol()], {}, [chain("one", {})]) });
  const bytes = Buffer.from("PROXY TCP4 10.0.0.1 192.0.2.2 8080 443\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
  for (let at = 1; at < bytes.length; at += 3) {
    const text = await sendPieces(proxy.port(), [bytes.subarray(0, at), bytes.subarray(at)]);
    assert.equal(chainOf(text), "one 10.0.0.1:8080 192.0.2.2:443 ", `cut at ${at}`);
  }
});

const TLVS: readonly (readonly [encoding: "SANITIZED_UTF8" | "BASE64", value: string, metadata: string])[] = [
  ["SANITIZED_UTF8", "6162", "ab"],
  ["SANITIZED_UTF8", "ff62", "!b"],
  ["BASE64", "ff62", "/2I="],
];
for (const [encoding, value, metadata] of TLVS) {
  test(`TLVs of a PROXY header become metadata of the connection: ${encoding} ${value}`, () => {
    const rules = [{ tlvType: 224, namespace: "ns", key: "key", encoding }];
    const config = {
      kind: "proxy_protocol",
      allowRequestsWithoutProxyProtocol: false,
      disallowedVersions: [],
      statPrefix: "",
      rules,
    } as const;
    const facts = new AcceptedFacts("127.0.0.1", 1, "127.0.0.1", 2, -1);
    const header = Buffer.from(`0d0a0d0a000d0a515549540a211100110a000001c00002021f9001bbe00002${value}`, "hex");
    assert.equal(new ProxyProtocolFilter(config, new StatsStore(() => {})).onData(header, facts), "continue");
    assert.deepEqual(facts.dynamicMetadata, { ns: { key: metadata } });
    assert.equal(facts.consumed, header.length);
  });
}

interface Refusal {
  readonly name: string;
  readonly filters: readonly Fields[];
  readonly listener?: Fields;
  readonly bytes: Buffer;
  readonly stats: readonly string[];
}

const LISTENER = "listener.127.0.0.1_0.";
const REFUSED: readonly Refusal[] = [
  {
    name: "no PROXY header",
    filters: [proxyProtocol()],
    bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    stats: ["proxy_proto.not_found_disallowed"],
  },
  {
    name: "a malformed PROXY header",
    filters: [proxyProtocol({ stat_prefix: "mine" })],
    bytes: Buffer.from("PROXY TCP4 x\r\n"),
    stats: ["proxy_proto.mine.versions.v1.error", `${LISTENER}downstream_listener_filter_error`],
  },
  {
    name: "a version that is disallowed",
    filters: [proxyProtocol({ disallowed_versions: ["V1"] })],
    bytes: Buffer.from("PROXY UNKNOWN\r\n"),
    stats: ["proxy_proto.versions.v1.disallowed"],
  },
  {
    name: "a ClientHello over the limit",
    filters: [tlsInspector({ max_client_hello_size: 256 })],
    bytes: records(clientHello([extension(21, Buffer.alloc(1000))])),
    stats: ["tls_inspector.client_hello_too_large"],
  },
  {
    name: "a ClientHello that cannot be read",
    filters: [tlsInspector({ close_connection_on_client_hello_parsing_errors: true })],
    bytes: records(clientHello([SNI("a b")])),
    stats: ["tls_inspector.tls_parse_error"],
  },
  {
    name: "no chain for it",
    filters: [tlsInspector()],
    listener: { filter_chains: [chain("one", { server_names: ["other.example"] }, secure)] },
    bytes: records(clientHello([SNI("a.example"), ALPN("h2")])),
    stats: [`${LISTENER}no_filter_chain_match`, "tls_inspector.alpn_found"],
  },
  {
    name: "silence",
    filters: [tlsInspector()],
    listener: { listener_filters_timeout: "0.05s" },
    bytes: Buffer.alloc(0),
    stats: [`${LISTENER}downstream_pre_cx_timeout`],
  },
];
for (const given of REFUSED) {
  test(`listener filters refuse: ${given.name}`, async (t) => {
    const proxy = await startProxy(t, { listener: listening(given.filters, given.listener) });
    assert.equal(await sendPieces(proxy.port(), given.bytes.length === 0 ? [] : [given.bytes]), "");
    for (const name of given.stats) assert.equal(proxy.counter(name), 1, name);
    assert.equal(proxy.gauge(`${LISTENER}downstream_pre_cx_active`), 0);
    assert.equal(proxy.dataPlane.connectionCount, 0);
  });
}

test("a client that goes away while filters wait is counted", async (t) => {
  const proxy = await startProxy(t, { listener: listening([tlsInspector()]) });
  const socket = connect({ host: "127.0.0.1", port: proxy.port() }, () => socket.end(Buffer.from([22, 3])));
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  assert.equal(proxy.counter(`${LISTENER}downstream_listener_filter_remote_close`), 1);
  assert.equal(proxy.gauge(`${LISTENER}downstream_pre_cx_active`), 0);
});

test("continue_on_listener_filters_timeout serves what is known so far", async (t) => {
  const more = { listener_filters_timeout: "0.05s", continue_on_listener_filters_timeout: true };
  const proxy = await startProxy(t, { listener: listening([tlsInspector()], more, [chain("one", {})]) });
  const socket = connect({ host: "127.0.0.1", port: proxy.port() });
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(proxy.counter(`${LISTENER}downstream_pre_cx_timeout`), 1);
  const text = await new Promise<string>((resolve) => {
    socket.once("data", (data: Buffer) => resolve(data.latin1Slice()));
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  });
  socket.destroy();
  assert.equal(chainOf(text).split(" ")[0], "one");
});

test("filter_disabled leaves a filter out", async (t) => {
  const off: Fields = {
    filter_disabled: { and_match: { rules: [{ any_match: true }, { not_match: { destination_port_range: { start: 1, end: 2 } } }] } },
  };
  const proxy = await startProxy(t, { listener: listening([tlsInspector({}, off)], {}, [chain("one", {})]) });
  assert.equal(chainOf(await rawRequest(proxy.port())).split(" ")[0], "one");
  assert.equal(proxy.counter("tls_inspector.tls_not_found"), 0);
});

test("local_ratelimit closes what is too much", async (t) => {
  const limit = filter("local_ratelimit", "LocalRateLimit", { stat_prefix: "l", token_bucket: { max_tokens: 2, fill_interval: "600s" } });
  const proxy = await startProxy(t, { listener: listening([limit], {}, [chain("one", {})]) });
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push((await rawRequest(proxy.port())).slice(9, 12));
  assert.deepEqual(answers, ["200", "200", "", ""]);
  assert.equal(proxy.counter("listener_local_ratelimit.l.rate_limited"), 2);
});

test("a client that never shakes hands is closed", async (t) => {
  const one = chain("one", {}, { ...secure, transport_socket_connect_timeout: "0.05s" });
  const proxy = await startProxy(t, { listener: listening([], {}, [one]) });
  assert.equal(await sendPieces(proxy.port(), [Buffer.from([22, 3, 1])]), "");
  assert.equal(proxy.counter(`${LISTENER}downstream_cx_transport_socket_connect_timeout`), 1);
  assert.equal(proxy.dataPlane.connectionCount, 0);
});
