// The subscription machine against a model of a control plane, with a network that reorders between types, repeats, blocks and breaks.
// Whatever happened: in the end the client has what the server has, and everything was answered by the rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StatsStore } from "../../host/stats/store.ts";
import { type Codecs, loadCodecs } from "../../host/xds/protos.ts";
import { createXdsClient } from "../../host/xds/streams/client.ts";
import type { XdsSubscription, XdsUpdate, XdsVerdict } from "../../host/xds/streams/contract.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";
import { FakeTransport, type FakeStream } from "../support/fake-xds-stream.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { ModelStream, type Outgoing, type SeenRequest, XdsServerModel } from "../support/xds-server-model.ts";
import { CLUSTER, ENDPOINTS, NODE } from "../unit/xds/streams/support.ts";
import { manualClock, silentLog } from "../unit/xds/support.ts";

const SEEDS = 400;
const STEPS = 120;
const NAMES = ["a", "b", "c", "d", "e", "f"];
const TYPES = [CLUSTER, ENDPOINTS] as const;

/** Field 1 is the name, field 100 says whether the watcher takes it, and a number that makes each content another one. */
function content(name: string, isBad: boolean, serial: number): Buffer {
  const mark = `${isBad ? "bad" : "good"}${serial}`;
  return Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name), Buffer.from([0xa2, 0x06, mark.length]), Buffer.from(mark)]);
}

const isBad = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes("bad");

/** Holds what it was given, as the configuration does. */
class Watcher {
  readonly typeUrl: string;
  readonly has = new Map<string, string>();
  names: ReadonlySet<string> | "wildcard";
  pending: (() => void) | undefined;
  readonly #isLater: () => boolean;

  constructor(typeUrl: string, names: ReadonlySet<string> | "wildcard", isLater: () => boolean) {
    this.typeUrl = typeUrl;
    this.names = names;
    this.#isLater = isLater;
  }

  onUpdate(update: XdsUpdate, done: (verdict: XdsVerdict) => void): void {
    assert.equal(this.pending, undefined, "one update at a time");
    this.pending = () => {
      this.pending = undefined;
      done(this.#apply(update));
    };
    if (!this.#isLater()) this.pending();
  }

  #apply({ isWholeState, resources, removed }: XdsUpdate): XdsVerdict {
    const rejected = new Set(resources.filter(({ bytes }) => isBad(bytes)).map(({ name }) => name));
    const listed = new Set(resources.map(({ name }) => name));
    if (isWholeState) for (const name of [...this.has.keys()]) if (!listed.has(name)) this.has.delete(name);
    for (const { name, bytes } of resources)
      if (!rejected.has(name) && (this.names === "wildcard" || this.names.has(name)))
        this.has.set(name, Buffer.from(bytes).toString("latin1"));
    for (const name of removed) this.has.delete(name);
    return rejected.size === 0 ? { ok: true } : { ok: false, errorDetail: `bad ${[...rejected].join(" ")}`, rejected };
  }

  want(names: ReadonlySet<string>): void {
    for (const name of [...this.has.keys()]) if (!names.has(name)) this.has.delete(name);
    this.names = names;
  }
}

/** One stream as the network has it: responses in order for each type, requests in order. */
class Line {
  readonly stream: FakeStream;
  readonly server: ModelStream;
  readonly variant: XdsVariant;
  readonly queues = new Map<string, Outgoing[]>(TYPES.map((type) => [type, []]));
  readonly arrived: Outgoing[] = [];
  readonly seen: SeenRequest[] = [];
  renamed = 0;

  constructor(stream: FakeStream, model: XdsServerModel, variant: XdsVariant) {
    this.stream = stream;
    this.variant = variant;
    this.server = new ModelStream(stream.id, model, variant);
  }

  send(response: Outgoing | undefined): void {
    if (response !== undefined) this.queues.get(response.typeUrl)?.push(response);
  }

  deliver(type: string, isTwice: boolean): boolean {
    const response = this.queues.get(type)?.shift();
    if (response === undefined || this.stream.isOver) return false;
    for (let i = 0; i < (isTwice ? 2 : 1); i++) {
      this.arrived.push(response);
      this.stream.respond(response);
    }
    return true;
  }

  /** The server reads what was written. */
  read(): boolean {
    const requests = this.stream.take();
    for (const request of requests) {
      this.seen.push(request);
      this.send(this.server.receive(request));
    }
    return requests.length > 0;
  }

  /** `isDrained`: nothing is on its way any more. */
  check(isDrained: boolean): void {
    const said = new Map<string, string>();
    const open = this.arrived.map((response) => response.nonce);
    const answered = new Set<string>();
    const changes = new Map<string, number>();
    for (const [i, request] of this.seen.entries()) {
      assert.equal(request.nodeId, i === 0 ? "me" : undefined, "the node comes with the first message alone");
      const names = request.names.join(" ");
      const before = said.get(request.typeUrl);
      const isRepeat = this.variant === "delta" || !answered.has(request.nonce) || names === before;
      if (open.includes(request.nonce) && isRepeat) {
        open.splice(open.indexOf(request.nonce), 1);
        answered.add(request.nonce);
        // An answer repeats what was said before, and changes nothing.
        assert.equal(names, this.variant === "delta" ? "" : before, "an answer with a change");
        assert.deepEqual(request.unsubscribe, []);
      } else {
        assert.equal(request.errorDetail, undefined, "a NACK of nothing");
        if (this.variant === "delta") assert.equal(request.nonce, "", "a nonce that nobody gave, or a second answer");
        else assert.notEqual(names, before, "a message that says nothing");
        changes.set(request.typeUrl, (changes.get(request.typeUrl) ?? 0) + 1);
      }
      if (this.variant === "sotw") said.set(request.typeUrl, names);
    }
    if (this.renamed === 0) for (const count of changes.values()) assert.equal(count, 1, "one subscribe a type");
    if (!isDrained) return;
    if (this.variant === "delta") assert.deepEqual(open, [], "responses without an answer");
    for (const type of TYPES) {
      const last = this.arrived.filter((response) => response.typeUrl === type).at(-1);
      if (last !== undefined)
        assert.ok(
          this.seen.some(({ nonce }) => nonce === last.nonce),
          "the newest has its answer",
        );
    }
  }
}

class World {
  readonly random: SeededRandom;
  readonly variant: XdsVariant;
  readonly model = new XdsServerModel();
  readonly clock = manualClock();
  readonly transport: FakeTransport;
  readonly lines: Line[] = [];
  readonly watchers: readonly Watcher[];
  readonly #subscriptions: readonly XdsSubscription[];
  #serial = 0;
  isCalm = false;

  constructor(codecs: Codecs, variant: XdsVariant, seed: number) {
    this.random = new SeededRandom(seed);
    this.variant = variant;
    this.transport = new FakeTransport(codecs, variant);
    const { random, transport, clock } = this;
    const client = createXdsClient({
      variant,
      isAggregated: true,
      node: NODE,
      codecs,
      transport,
      clock,
      random: () => random.next(),
      log: silentLog,
      stats: new StatsStore(() => undefined),
      statPrefix: "control_plane",
    });
    const isLater = (): boolean => !this.isCalm && random.below(2) === 0;
    this.watchers = [new Watcher(CLUSTER, "wildcard", isLater), new Watcher(ENDPOINTS, new Set(["a", "b"]), isLater)];
    this.#subscriptions = this.watchers.map((watcher) => client.subscribe(watcher.typeUrl, watcher.names, watcher));
    client.start();
  }

  get line(): Line {
    const stream = this.transport.last;
    let line = this.lines.at(-1);
    if (line === undefined || line.stream !== stream) {
      line = new Line(stream, this.model, this.variant);
      this.lines.push(line);
    }
    return line;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)];
  }

  set(isGood: boolean): void {
    const [type, name] = [this.#pick(TYPES), this.#pick(NAMES)];
    this.model.set(type, name, content(name, !isGood, ++this.#serial));
  }

  rename(): void {
    const [, watcher] = this.watchers;
    const names = new Set(NAMES.filter(() => this.random.below(2) === 0));
    watcher.want(names);
    this.#subscriptions[1].setNames(names);
    this.line.renamed++;
  }

  step(): void {
    const { line, random } = this;
    switch (random.below(13)) {
      case 0:
      case 1:
        this.set(true);
        break;
      case 2:
        this.set(false);
        break;
      case 3:
        // A state of the world says nothing of a named resource that is gone.
        this.model.remove(this.variant === "delta" ? this.#pick(TYPES) : CLUSTER, this.#pick(NAMES));
        break;
      case 4:
        line.send(line.server.push(this.#pick(TYPES)));
        break;
      case 5:
        this.rename();
        break;
      case 6:
      case 7:
        line.deliver(this.#pick(TYPES), random.below(5) === 0);
        break;
      case 8:
        line.read();
        break;
      case 9:
        if (line.stream.isWritable) line.stream.block();
        else if (!line.stream.isOver) line.stream.unblock();
        break;
      case 10:
      case 11:
        this.#pick(this.watchers).pending?.();
        break;
      default:
        if (random.below(3) === 0) line.stream.end(this.#pick(["closed", "connect", "busy"] as const));
        this.clock.advance(random.below(40_000));
    }
  }

  /** Lets everything arrive; the server has only good resources by now. */
  settle(): void {
    this.isCalm = true;
    for (const type of TYPES)
      for (const [name, { bytes }] of this.model.of(type))
        if (bytes !== undefined && isBad(bytes)) this.model.set(type, name, content(name, false, ++this.#serial));
    this.clock.advance(40_000);
    const { line } = this;
    if (!line.stream.isWritable) line.stream.unblock();
    for (const watcher of this.watchers) watcher.pending?.();
    for (let round = 0; round < 2; round++) {
      for (let isMoving = true; isMoving; ) {
        isMoving = line.read();
        for (const type of TYPES) while (line.deliver(type, false)) isMoving = true;
      }
      for (const type of TYPES) line.send(line.server.push(type));
    }
    for (const type of TYPES) while (line.deliver(type, false)) line.read();
    line.read();
  }

  check(): void {
    const { line } = this;
    for (const one of this.lines) one.check(one === line);
    for (const { typeUrl, names, has } of this.watchers) {
      const wanted = [...this.model.of(typeUrl)].filter(([name]) => names === "wildcard" || names.has(name));
      const expected = wanted.map(([name, { bytes }]) => [name, Buffer.from(bytes ?? []).toString("latin1")] as const);
      assert.deepEqual(Object.fromEntries([...has].sort()), Object.fromEntries(expected.sort()), typeUrl);
    }
  }
}

for (const variant of ["delta", "sotw"] as const) {
  test(`${variant}: whatever the network does, the client ends with what the server has, and every answer is by the rules`, async () => {
    const codecs = await loadCodecs();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new World(codecs, variant, seed);
      try {
        for (let i = 0; i < STEPS; i++) world.step();
        world.settle();
        world.check();
      } catch (error) {
        if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`;
        throw error;
      }
    }
  });
}
