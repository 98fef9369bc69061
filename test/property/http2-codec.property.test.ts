// Whatever messages the client codec writes, in whatever order and pieces, with windows and readers that open and close: the server codec
// reads them as they were, and the answers come back as they were.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderMap } from "../../host/http/header-map.ts";
import type { ClientExchange } from "../support/http2-client.ts";
import type { ServedStream } from "../support/http2-server.ts";
import { loneClient, loneServer } from "../support/http2-pair.ts";
import { SeededRandom } from "../support/seeded-random.ts";

type Pairs = [string, string][];

interface Message {
  readonly headers: Pairs;
  readonly body: readonly Buffer[];
  readonly trailers: Pairs;
}

const name = fc.constantFrom("x-a", "x-b", "x-c", "content-type", "accept", "etag", "authorization", "x-a_b");
const value = fc
  .string({ unit: fc.constantFrom(...'abcXYZ 019-_/="\u00e9\u00ff\t'), maxLength: 30 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ""));
const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
const message: fc.Arbitrary<Message> = fc.record({
  headers: fields,
  body: fc.array(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 6 },
  ),
  trailers: fields,
});

interface Sender {
  encodeData(data: Uint8Array, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
}

/** What is left to be said of a message whose headers went out. */
class Script {
  private at = 0;
  private readonly sender: Sender;
  private readonly given: Message;

  constructor(sender: Sender, given: Message) {
    this.sender = sender;
    this.given = given;
  }
  static endsWithHeaders({ body, trailers }: Message): boolean {
    return body.length === 0 && trailers.length === 0;
  }
  get done(): boolean {
    return this.at >= this.given.body.length + (this.given.trailers.length > 0 ? 1 : 0);
  }
  step(): void {
    const { body, trailers } = this.given;
    const i = this.at++;
    if (i < body.length) this.sender.encodeData(body[i], i === body.length - 1 && trailers.length === 0);
    else this.sender.encodeTrailers(HeaderMap.from(trailers));
  }
}

async function run(requests: readonly Message[], answers: readonly Message[], seed: number, window: number): Promise<void> {
  const random = new SeededRandom(seed);
  const scripts: Script[] = [];
  const options = { initialStreamWindowSize: window, initialConnectionWindowSize: 65_535, enableHuffmanEncoding: random.below(2) === 0 };
  const server = loneServer(
    {
      onRequest(stream) {
        const answer = answers[server.streams.indexOf(stream) % answers.length];
        stream.encoder.encodeHeaders(HeaderMap.from([[":status", "200"], ...answer.headers]), Script.endsWithHeaders(answer));
        scripts.push(new Script(stream.encoder, answer));
      },
    },
    options,
  );
  const client = loneClient(options);
  const exchanges: ClientExchange[] = [];
  const order: Message[] = [];
  const waiting = [...requests];
  const stopped: (ClientExchange | ServedStream)[] = [];
  const pass = (from: "client" | "server"): boolean => {
    const bytes = (from === "client" ? client : server).connection.take();
    const to = from === "client" ? server.codec : client.codec;
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(random.below(4) === 0 ? 20 : 2000);
      to.onData(bytes.subarray(at, at + size));
      at += size;
    }
    return bytes.length > 0;
  };
  for (let quiet = 0; quiet < 3; ) {
    let busy = false;
    const choice = random.below(6);
    if (choice === 0 && waiting.length > 0) {
      const request = waiting.splice(random.below(waiting.length), 1)[0];
      order.push(request);
      const exchange = client.begin();
      exchanges.push(exchange);
      const pseudo: Pairs = [
        [":authority", "a"],
        [":path", "/p"],
        [":method", "POST"],
        [":scheme", "http"],
      ];
      exchange.encoder?.encodeHeaders(HeaderMap.from([...pseudo, ...request.headers]), Script.endsWithHeaders(request));
      if (exchange.encoder !== undefined) scripts.push(new Script(exchange.encoder, request));
      busy = true;
    } else if (choice === 1 && scripts.length > 0) {
      const i = random.below(scripts.length);
      if (scripts[i].done) scripts.splice(i, 1);
      else scripts[i].step();
      busy = true;
    } else if (choice === 2) {
      // A reader stops, or goes on. Time enough is left for all to go on in the end.
      const all = [...exchanges, ...server.streams];
      if (random.below(3) === 0 && all.length > 0 && waiting.length > 0) {
        const reader = all[random.below(all.length)];
        reader.encoder?.readDisable(true);
        stopped.push(reader);
        busy = true;
      } else if (stopped.length > 0) {
        stopped.pop()?.encoder?.readDisable(false);
        busy = true;
      }
    } else busy = pass(choice % 2 === 0 ? "client" : "server");
    await Promise.resolve();
    if (client.connection.written + server.connection.written !== "") busy = true;
    quiet = busy || waiting.length + scripts.length + stopped.length > 0 ? 0 : quiet + 1;
  }
  assert.equal(server.error, "");
  assert.equal(server.streams.length, order.length);
  const body = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString("hex");
  order.forEach((request, i) => {
    const stream = server.streams[i];
    const answer = answers[i % answers.length];
    assert.ok(stream.isComplete && exchanges[i].isComplete, `exchange ${i} is complete`);
    assert.deepEqual(stream.headers.slice(4), request.headers);
    assert.equal(body(stream.body), body(request.body));
    assert.deepEqual(stream.trailers, request.trailers);
    assert.deepEqual(exchanges[i].headers.slice(1), answer.headers);
    assert.equal(body(exchanges[i].body), body(answer.body));
    assert.deepEqual(exchanges[i].trailers, answer.trailers);
  });
  assert.equal(client.completed, order.length);
  assert.ok(server.codec.idle);
}

test("what one codec writes the other reads as it was, both ways, many at a time", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 1, maxLength: 8 }),
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.constantFrom(1, 64, 500, 65_535),
      run,
    ),
    { seed: 30, numRuns: 400 },
  );
});
