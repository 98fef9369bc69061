// Which filter chain a connection gets: 200 random sets of chains, the same random connections to Envoy and to us. A PROXY header says who
// the client is and whom it wants to reach, a ClientHello what it speaks; the answer to either names the chain.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { ALPN, clientHello, records, SNI } from "../support/client-hello.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { ROUTER, socket } from "./config.ts";
import { Pair, type ParityGroup } from "./harness.ts";
import { exchange } from "./raw-client.ts";

const SETS = 200;
const CONNECTIONS = 6;
/** The sets of one process: each is a listener with a socket of its own. */
const SETS_PER_RUN = 50;
/** Below the ports that systems hand out to clients, of which this opens many. */
const FIRST_PORT = 21_000;

const filters = "type.googleapis.com/envoy.extensions.filters.listener.";
const text = (value: string): object => ({ text_format_source: { inline_string: value } });

function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[random.below(values.length)];
}

const IPS = ["10.0.0.1", "10.0.1.1", "10.1.0.1", "192.0.2.1", "127.0.0.1"] as const;
/** None of all addresses: whether Envoy takes that one for more than no range at all depends on the order of its tables. */
const PREFIXES = ["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "192.0.2.0/24", "128.0.0.0/1"] as const;
const NAMES = ["a.example", "b.a.example", "*.a.example", "*.example"] as const;
const PROTOCOLS = ["h2", "http/1.1", "istio"] as const;

const range = (prefix: string): object => {
  const [address_prefix, length] = prefix.split("/");
  return { address_prefix, prefix_len: Number(length) };
};

function randomMatch(random: SeededRandom): object {
  const maybe = (fields: object): object => (random.below(3) === 0 ? fields : {});
  return {
    ...maybe({ destination_port: pick(random, [80, 443]) }),
    ...maybe({ prefix_ranges: [range(pick(random, PREFIXES))] }),
    ...maybe({ server_names: [pick(random, NAMES)] }),
    ...maybe({ transport_protocol: pick(random, ["tls", "raw_buffer"]) }),
    ...maybe({ application_protocols: [pick(random, PROTOCOLS)] }),
    ...maybe({ source_type: pick(random, ["SAME_IP_OR_LOOPBACK", "EXTERNAL"]) }),
    ...maybe({ source_prefix_ranges: [range(pick(random, PREFIXES))] }),
    ...maybe({ source_ports: [pick(random, [1000, 2000])] }),
  };
}

function listenerOf(index: number, port: number, random: SeededRandom): object {
  const matches = new Map<string, object>();
  const count = 2 + random.below(6);
  for (let i = 0; i < count; i++) {
    const match = randomMatch(random);
    matches.set(JSON.stringify(match), match);
  }
  const chain = (name: string): object => ({
    name,
    filters: [
      {
        name: "hcm",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
          stat_prefix: "m",
          // A request is answered 404, bytes of TLS 400; both by a local reply.
          local_reply_config: { body_format: text("chain %FILTER_CHAIN_NAME%.") },
          route_config: { name: "none" },
          http_filters: [ROUTER],
        },
      },
    ],
  });
  return {
    name: `set-${index}`,
    address: socket(port),
    listener_filters: [
      { name: "proxy", typed_config: { "@type": `${filters}proxy_protocol.v3.ProxyProtocol` } },
      { name: "tls", typed_config: { "@type": `${filters}tls_inspector.v3.TlsInspector` } },
    ],
    filter_chains: [...matches.values()].map((match, i) => ({ ...chain(`${index}-${i}`), filter_chain_match: match })),
    ...(random.below(2) === 0 ? { default_filter_chain: chain(`${index}-default`) } : {}),
  };
}

function randomConnection(random: SeededRandom): string {
  const source = pick(random, IPS);
  const destination = random.below(4) === 0 ? source : pick(random, IPS);
  const header = `PROXY TCP4 ${source} ${destination} ${pick(random, [1000, 2000, 3000])} ${pick(random, [80, 443, 8080])}\r\n`;
  if (random.below(2) === 0) return `${header}GET / HTTP/1.1\r\nhost: a\r\n\r\n`;
  const extensions: Buffer[] = [];
  if (random.below(3) > 0) extensions.push(SNI(pick(random, ["a.example", "b.a.example", "c.a.example", "x.example", "other"])));
  if (random.below(2) === 0) extensions.push(ALPN(...(random.below(2) === 0 ? ["h2", "http/1.1"] : [pick(random, PROTOCOLS), "istio-2"])));
  return header + records(clientHello(extensions)).latin1Slice();
}

/** Somebody else on the machine may listen there. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}

const chainOf = (answer: string): string => /chain ([^.]*)\./.exec(answer)?.[1] ?? "none";

for (let first = 0; first < SETS; first += SETS_PER_RUN) {
  describe(`filter chain match: sets from ${first} on`, () => {
    const ports: number[] = [];
    let envoy: Pair;
    let shift = 0;
    before(async () => {
      // Each contender has ports of its own: those of the second are behind those of the first.
      for (let port = FIRST_PORT + 1000 * (first / SETS_PER_RUN); ports.length < 2 * SETS_PER_RUN; port++)
        if (await isFree(port)) ports.push(port);
      const group: ParityGroup = {
        name: "filter chain match",
        config: ({ admin }) => {
          const mine = ports.slice(shift, shift + SETS_PER_RUN);
          shift += SETS_PER_RUN;
          const listeners = mine.map((port, i) => listenerOf(first + i, port, new SeededRandom(1000 + first + i)));
          return { admin: { address: socket(admin) }, static_resources: { listeners } };
        },
        cases: [],
      };
      envoy = await Pair.start(group);
    });
    after(() => envoy?.stop());
    for (let i = 0; i < SETS_PER_RUN; i++) {
      test(`set ${first + i}`, async () => {
        const random = new SeededRandom(5000 + first + i);
        const wanted = Array.from({ length: CONNECTIONS }, () => randomConnection(random));
        const ask = (port: number): Promise<string[]> => Promise.all(wanted.map((raw) => exchange(port, [raw], false, 150).then(chainOf)));
        const [one, other] = await Promise.all([ask(ports[i]), ask(ports[SETS_PER_RUN + i])]);
        assert.deepEqual(other, one, wanted.map((raw) => raw.split("\r")[0]).join("; "));
      });
    }
  });
}
