// Hostile and malformed answers of an upstream, each in one write and a byte at a time. A refused one ends in 502 or 503 or a cut
// connection; the answer to another request is always that request's own, on another upstream connection. "queued": the other
// request waits for the very connection (one is allowed), so that it is handed out in the moment the bad answer ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { headerOf, type ResponseMessage } from "../support/http1-messages.ts";
import { startDataPlane, type TestDataPlane } from "../support/data-plane.ts";
import { get, RawClient, turn, withDeadline } from "../support/raw-client.ts";
import { echo, RawUpstream, type UpstreamConnection } from "../support/raw-upstream.ts";
import { expandMacros } from "./request-cases.ts";

interface ResponseCase {
  readonly name: string;
  readonly raw: string;
  readonly macro?: boolean;
  readonly expect: "refuse" | "serve";
  readonly status?: number;
  readonly body?: string;
  readonly method?: string;
  /** FIN or RST behind the bytes. */
  readonly end?: boolean;
  readonly reset?: boolean;
  /** Served, but the connection must not be used again. */
  readonly spoils?: boolean;
}

const MODES = ["whole", "bytes"] as const;
const ORDERS = ["after", "queued"] as const;
interface Delivery {
  readonly given: ResponseCase;
  readonly mode: (typeof MODES)[number];
  readonly order: (typeof ORDERS)[number];
}

const LANES = 24;
const PATIENCE_MS = 8000;

async function sendCase({ given, mode }: Delivery, connection: UpstreamConnection): Promise<void> {
  const size = mode === "whole" ? given.raw.length : Math.ceil(given.raw.length / 512);
  for (let at = 0; at < given.raw.length && !connection.isClosed; at += size) {
    connection.write(given.raw.slice(at, at + size));
    if (mode === "bytes") await turn();
  }
  if (given.end === true) connection.socket.end();
  if (given.reset === true) {
    // A reset discards what the peer has not read: give it the time to.
    for (let i = 0; i < 4; i++) await turn();
    connection.socket.resetAndDestroy();
  }
}

async function deliver(port: number, upstream: RawUpstream, delivery: Delivery): Promise<string[]> {
  const { given, order } = delivery;
  const problems: string[] = [];
  upstream.forget();
  let spoiled: UpstreamConnection | undefined;
  let canaryOn: UpstreamConnection | undefined;
  let canaryNonce = 0;
  const sent: Promise<void>[] = [];
  upstream.respond = (exchange): void => {
    if (exchange.request.target === "/case") {
      spoiled = exchange.connection;
      sent.push(sendCase(delivery, exchange.connection));
      return;
    }
    canaryOn = exchange.connection;
    canaryNonce = exchange.nonce;
    echo(exchange);
  };
  const method = given.method ?? "GET";
  const victim = await new RawClient(port, [method]).connected();
  const other = await new RawClient(port).connected();
  victim.write(`${method} /case HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  const canary = async (): Promise<void> => {
    await turn();
    other.write(get("/canary"));
    if (!(await other.untilOrTimeout(() => other.responses.length > 0 || other.hasEnded, PATIENCE_MS)))
      problems.push("the other request got no answer");
  };
  if (order === "queued") await upstream.until(() => spoiled !== undefined);
  const waiting = order === "queued" ? canary() : undefined;
  if (!(await victim.untilOrTimeout(() => victim.responses.length > 0 || victim.hasEnded, PATIENCE_MS)))
    problems.push(`nothing happened for ${PATIENCE_MS} ms`);
  await withDeadline(
    Promise.all(sent).then(() => undefined),
    PATIENCE_MS,
  );
  for (let i = 0; i < 3; i++) await turn();
  await (waiting ?? canary());

  problems.push(...judgeVictim(given, victim.responses, victim.hasEnded, victim.reader.breaches));
  const answer = other.responses[0];
  if (
    answer?.status !== 200 ||
    headerOf(answer, "x-nonce") !== String(canaryNonce) ||
    headerOf(answer, "x-target") !== "/canary" ||
    answer.body !== "ok"
  ) {
    problems.push(`the other request was answered ${answer?.startLine} ${JSON.stringify(answer?.body)}`);
  }
  const mustDiffer = given.expect === "refuse" || given.spoils === true;
  if (mustDiffer && spoiled === canaryOn) problems.push("the connection was used again");
  if (!mustDiffer && spoiled !== canaryOn) problems.push("a good connection was not used again");
  if (mustDiffer && spoiled !== undefined) {
    const bad = spoiled;
    await withDeadline(
      upstream.until(() => bad.isClosed),
      2000,
    );
    if (!bad.isClosed) problems.push("the connection was not closed");
  }
  if (upstream.breaches.length > 0) problems.push(...upstream.breaches);
  victim.socket.resetAndDestroy();
  other.socket.resetAndDestroy();
  return problems;
}

function judgeVictim(given: ResponseCase, responses: readonly ResponseMessage[], isClosed: boolean, breaches: readonly string[]): string[] {
  const problems = [...breaches];
  const [response] = responses;
  if (responses.length > 1) problems.push(`${responses.length} answers to one request`);
  if (given.expect === "serve") {
    if (response?.status !== given.status || response.body !== given.body)
      problems.push(`served ${response?.startLine} ${JSON.stringify(response?.body)}`);
    if (response?.status === 204 && headerOf(response, "content-length") !== undefined) problems.push("a 204 with content-length");
    return problems;
  }
  if (response === undefined && !isClosed) problems.push("neither an answer nor a close");
  // An answer that is complete must be ours: 502 or 503. A cut one is not among the responses.
  if (response !== undefined && response.status !== 502 && response.status !== 503)
    problems.push(`answered ${response.startLine} ${JSON.stringify(response.body)}`);
  return problems;
}

test("response corpus", { timeout: 120_000 }, async (t) => {
  const file = new URL("../../../test/corpora/http1-responses.json", import.meta.url);
  const cases = (JSON.parse(readFileSync(file, "utf8")) as ResponseCase[]).map((given) =>
    given.macro === true ? { ...given, raw: expandMacros(given.raw) } : given,
  );
  const names = ORDERS.flatMap((order) => Array.from({ length: LANES }, (_, i) => ({ order, name: `${order}-${i}` })));
  const upstreams = await Promise.all(names.map(() => new RawUpstream().listen()));
  const oneConnection = { circuit_breakers: { thresholds: [{ max_connections: 1 }] } };
  const plane: TestDataPlane = await startDataPlane(
    names.map(({ name }) => ({ name, manager: { stream_idle_timeout: "5s" } })),
    names.map(({ order, name }, i) => ({ name, ports: [upstreams[i].port], cluster: order === "queued" ? oneConnection : {} })),
  );
  t.after(async () => {
    await plane.stop();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });
  const queues = new Map(ORDERS.map((order) => [order, cases.flatMap((given) => MODES.map((mode): Delivery => ({ given, mode, order })))]));
  const tally = new Map<string, [passed: number, run: number]>();
  const failures: string[] = [];
  await Promise.all(
    names.map(async ({ order, name }, i) => {
      const queue = queues.get(order) ?? [];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const problems = await deliver(plane.port(name), upstreams[i], next);
        const key = `${next.mode}, ${order}`;
        const row = tally.get(key) ?? [0, 0];
        tally.set(key, row);
        row[1]++;
        if (problems.length === 0) row[0]++;
        else failures.push(`${next.given.name} [${key}]: ${problems.join("; ")}`);
      }
    }),
  );
  t.diagnostic(`response corpus: ${cases.length} cases: ${[...tally].map(([key, [passed, run]]) => `${key} ${passed}/${run}`).join("; ")}`);
  assert.deepEqual(failures.slice(0, 200), []);
});
