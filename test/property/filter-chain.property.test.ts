// The filter chain machine against a model: filters as nodes in a row, each with a queue of what has come and a script of what it
// answers. The model says what every filter sees and what leaves the chain; filters continue at random times.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, PassThroughFilter } from "../../host/http/filter.ts";
import { type ChainOwner, EncodeChain, HalfState } from "../../host/http/filter-chain.ts";
import { HeaderMap } from "../../host/http/header-map.ts";

type HeadersStatus = (typeof FilterHeadersStatus)[keyof typeof FilterHeadersStatus];
type DataStatus = (typeof FilterDataStatus)[keyof typeof FilterDataStatus];
type TrailersStatus = (typeof FilterTrailersStatus)[keyof typeof FilterTrailersStatus];

interface Script {
  readonly headers: HeadersStatus;
  /** One for each data callback; Continue when the list is over. */
  readonly data: readonly DataStatus[];
  readonly trailers: TrailersStatus;
  /** Adds trailers in the data callback that ends the stream. */
  readonly addsTrailers: boolean;
}

type Event =
  | { readonly kind: "headers"; readonly end: boolean }
  | { readonly kind: "data"; readonly bytes: string; readonly end: boolean }
  | { readonly kind: "trailers" };
type Step = Event | { readonly kind: "continue"; readonly filter: number };

const show = (event: Event): string =>
  event.kind === "trailers" ? "T" : event.kind === "headers" ? `H${event.end ? "." : ""}` : `D${event.bytes}${event.end ? "." : ""}`;

/** What a filter does, by the words of Envoy's filter.h. */
class Node {
  readonly seen: string[] = [];
  private readonly script: Script;
  private readonly next: (event: Event) => void;
  private readonly trailersWereAdded: () => boolean;
  private callbacks = 0;
  private heldHeaders = false;
  private heldTrailers = false;
  private buffer = "";
  private ended = false;
  /** Stopped altogether: everything waits. */
  private waiting: { bytes: string; end: boolean; trailers: boolean } | undefined = undefined;

  constructor(script: Script, next: (event: Event) => void, trailersWereAdded: () => boolean) {
    this.script = script;
    this.next = next;
    this.trailersWereAdded = trailersWereAdded;
  }

  take(event: Event): void {
    if (this.waiting !== undefined) {
      if (event.kind === "data") {
        this.waiting.bytes += event.bytes;
        this.waiting.end ||= event.end;
      } else this.waiting.trailers = true;
      return;
    }
    if (event.kind === "headers") this.headers(event.end);
    else if (event.kind === "data") this.data(event.bytes, event.end);
    else this.trailers();
  }

  private headers(end: boolean): void {
    this.seen.push(show({ kind: "headers", end }));
    if (this.script.headers === FilterHeadersStatus.Continue) {
      this.next({ kind: "headers", end });
      return;
    }
    this.ended = end;
    if (this.script.headers === FilterHeadersStatus.StopIteration) this.heldHeaders = true;
    else this.waiting = { bytes: "", end, trailers: false };
  }

  private data(bytes: string, end: boolean): void {
    const status = this.script.data[this.callbacks++] ?? FilterDataStatus.Continue;
    const all = this.buffer + bytes;
    this.seen.push(show({ kind: "data", bytes, end }));
    const adds = end && this.script.addsTrailers && !this.trailersWereAdded();
    const isLast = end && !adds;
    if (status === FilterDataStatus.Continue) {
      this.buffer = "";
      this.ended = false;
      this.flushHeaders(isLast && all === "");
      if (!(isLast && all === "" && this.headersWentWithEnd)) this.next({ kind: "data", bytes: all, end: isLast });
      if (adds) this.next({ kind: "trailers" });
      return;
    }
    this.buffer = status === FilterDataStatus.StopIterationNoBuffer ? "" : all;
    this.ended = isLast;
    if (adds) this.heldTrailers = true;
  }

  private headersWentWithEnd = false;

  private flushHeaders(end: boolean): void {
    this.headersWentWithEnd = false;
    if (!this.heldHeaders) return;
    this.heldHeaders = false;
    this.headersWentWithEnd = end;
    this.next({ kind: "headers", end });
  }

  private trailers(): void {
    this.seen.push("T");
    if (this.script.trailers === FilterTrailersStatus.StopIteration) this.heldTrailers = true;
    else {
      this.release(false);
      this.next({ kind: "trailers" });
    }
  }

  private release(end: boolean): void {
    const bytes = this.buffer;
    this.buffer = "";
    this.flushHeaders(end && bytes === "");
    if (bytes !== "" || (end && !this.headersWentWithEnd)) this.next({ kind: "data", bytes, end });
  }

  get isStopped(): boolean {
    return this.waiting !== undefined || this.heldHeaders || this.heldTrailers || this.buffer !== "" || this.ended;
  }

  continue(): void {
    if (!this.isStopped) return;
    const { ended, heldTrailers, waiting } = this;
    this.ended = false;
    this.heldTrailers = false;
    if (waiting === undefined) {
      this.release(ended && !heldTrailers);
      if (heldTrailers) this.next({ kind: "trailers" });
      return;
    }
    this.waiting = undefined;
    const headersEnd = waiting.end && waiting.bytes === "" && !waiting.trailers;
    this.next({ kind: "headers", end: headersEnd });
    if (waiting.bytes !== "" || (waiting.end && !headersEnd)) this.data(waiting.bytes, waiting.end && !waiting.trailers);
    if (waiting.trailers) this.take({ kind: "trailers" });
  }
}

class ScriptedFilter extends PassThroughFilter {
  readonly seen: string[] = [];
  private readonly script: Script;
  private readonly chain: () => EncodeChain;
  private callbacks = 0;

  constructor(script: Script, chain: () => EncodeChain) {
    super();
    this.script = script;
    this.chain = chain;
  }
  override encodeHeaders(_headers: HeaderMap, end: boolean): HeadersStatus {
    this.seen.push(show({ kind: "headers", end }));
    return this.script.headers;
  }
  override encodeData(data: Uint8Array, end: boolean): DataStatus {
    this.seen.push(show({ kind: "data", bytes: Buffer.from(data).toString("latin1"), end }));
    if (end && this.script.addsTrailers) this.chain().addTrailers(() => new HeaderMap());
    return this.script.data[this.callbacks++] ?? FilterDataStatus.Continue;
  }
  override encodeTrailers(): TrailersStatus {
    this.seen.push("T");
    return this.script.trailers;
  }
}

class Owner implements ChainOwner {
  readonly left: string[] = [];
  decodingOver = false;
  encodingOver = false;
  bufferLimit = 1_000_000;
  sendHeaders(_headers: HeaderMap, end: boolean): void {
    this.left.push(show({ kind: "headers", end }));
  }
  sendData(data: Uint8Array, end: boolean): void {
    if (data.length > 0 || end) this.left.push(show({ kind: "data", bytes: Buffer.from(data).toString("latin1"), end }));
  }
  sendTrailers(): void {
    this.left.push("T");
  }
  onDecodeOverflow(): void {}
  onEncodeOverflow(): void {
    this.encodingOver = true;
  }
  onDecodeWatermark(): void {}
  onEncodeWatermark(): void {}
}

const script = fc.record({
  headers: fc.constantFrom(...Object.values(FilterHeadersStatus)),
  data: fc.array(fc.constantFrom(...Object.values(FilterDataStatus)), { maxLength: 4 }),
  trailers: fc.constantFrom(...Object.values(FilterTrailersStatus)),
  addsTrailers: fc.boolean(),
});

/** A message cut into events, with continues in between. */
const steps = fc
  .record({
    pieces: fc.array(fc.constantFrom("a", "bc", "def"), { maxLength: 4 }),
    end: fc.constantFrom("with the last", "apart", "trailers"),
    continues: fc.array(fc.record({ at: fc.nat(8), filter: fc.nat(3) }), { maxLength: 10 }),
  })
  .map(({ pieces, end, continues }): Step[] => {
    const events: Step[] = [{ kind: "headers", end: pieces.length === 0 && end === "with the last" }];
    pieces.forEach((bytes, i) => {
      events.push({ kind: "data", bytes, end: end === "with the last" && i === pieces.length - 1 });
    });
    if (end === "apart") events.push({ kind: "data", bytes: "", end: true });
    if (end === "trailers") events.push({ kind: "trailers" });
    for (const { at, filter } of continues) events.splice(1 + Math.min(at, events.length - 1), 0, { kind: "continue", filter });
    return events;
  });

interface Machine {
  readonly chain: EncodeChain;
  readonly owner: Owner;
  readonly filters: readonly ScriptedFilter[];
}

function machine(scripts: readonly Script[]): Machine {
  const owner = new Owner();
  const filters = scripts.map((given) => new ScriptedFilter(given, () => chain));
  const chain: EncodeChain = new EncodeChain(
    owner,
    filters.map((filter) => new HalfState(filter)),
  );
  return { chain, owner, filters };
}

function feed({ chain }: Machine, step: Step): void {
  if (step.kind === "headers") chain.startHeaders(new HeaderMap(), step.end);
  else if (step.kind === "data") chain.startData(Buffer.from(step.bytes, "latin1"), step.end);
  else if (step.kind === "trailers") chain.startTrailers(new HeaderMap());
  else if (step.filter < chain.states.length) chain.continueFrom(chain.states[step.filter]);
}

test("filters see and pass on what the model says", () => {
  fc.assert(
    fc.property(fc.array(script, { minLength: 1, maxLength: 4 }), steps, (scripts, given) => {
      const real = machine(scripts);
      const left: string[] = [];
      let hasTrailers = false;
      const nodes: Node[] = [];
      for (let i = scripts.length - 1; i >= 0; i--) {
        const follower = nodes[0] as Node | undefined;
        const next = (event: Event): void => {
          if (event.kind === "trailers") hasTrailers = true;
          if (follower !== undefined) follower.take(event);
          else if (event.kind !== "data" || event.bytes !== "" || event.end) left.push(show(event));
        };
        nodes.unshift(new Node(scripts[i], next, () => hasTrailers));
      }
      const toEnd: Step[] = Array.from({ length: 6 }, () => scripts.map((_, filter): Step => ({ kind: "continue", filter }))).flat();
      for (const step of [...given, ...toEnd]) {
        feed(real, step);
        if (step.kind === "continue") nodes[step.filter]?.continue();
        else nodes[0].take(step);
        assert.deepEqual(real.owner.left, left);
        assert.deepEqual(
          real.filters.map((filter) => filter.seen),
          nodes.map((node) => node.seen),
        );
      }
      // Whatever the filters did: one head first, one end last, and no byte lost that no filter took for itself.
      assert.ok(left[0].startsWith("H") && left.filter((event) => event.startsWith("H")).length === 1, left.join(" "));
      assert.ok(left[left.length - 1].endsWith(".") || left[left.length - 1] === "T", left.join(" "));
      assert.equal(left.filter((event) => event.endsWith(".") || event === "T").length, 1, left.join(" "));
      if (scripts.every(({ data }) => !data.includes(FilterDataStatus.StopIterationNoBuffer))) {
        const sent = given.map((step) => (step.kind === "data" ? step.bytes : "")).join("");
        assert.equal(left.map((event) => (event.startsWith("D") ? event.slice(1).replace(".", "") : "")).join(""), sent);
      }
    }),
    { seed: 8, numRuns: 5000 },
  );
});

test("nothing is called after the stream is over", () => {
  fc.assert(
    fc.property(fc.array(script, { minLength: 1, maxLength: 4 }), steps, fc.nat(12), (scripts, given, overAt) => {
      const real = machine(scripts);
      given.forEach((step, i) => {
        if (i === overAt) real.owner.encodingOver = true;
        // As the stream does: it asks the chain for nothing once it is over.
        if (!real.owner.encodingOver) feed(real, step);
      });
      const before = real.filters.map((filter) => filter.seen.length);
      if (real.owner.encodingOver)
        assert.deepEqual(
          real.filters.map((filter) => filter.seen.length),
          before,
        );
    }),
    { seed: 9, numRuns: 500 },
  );
});

test("what is held stays under the limit: overflow without back pressure, back pressure with it", () => {
  for (const status of [FilterDataStatus.StopIterationAndBuffer, FilterDataStatus.StopIterationAndWatermark] as const) {
    const real = machine([
      {
        headers: FilterHeadersStatus.Continue,
        data: [status, status, status],
        trailers: FilterTrailersStatus.Continue,
        addsTrailers: false,
      },
    ]);
    const watermarks: boolean[] = [];
    real.owner.bufferLimit = 4;
    real.owner.onEncodeWatermark = (...args: unknown[]) => watermarks.push(args[0] === true);
    feed(real, { kind: "headers", end: false });
    feed(real, { kind: "data", bytes: "abc", end: false });
    assert.equal(real.owner.encodingOver, false);
    feed(real, { kind: "data", bytes: "de", end: false });
    if (status === FilterDataStatus.StopIterationAndBuffer) {
      assert.equal(real.owner.encodingOver, true);
      continue;
    }
    assert.deepEqual(watermarks, [true]);
    feed(real, { kind: "continue", filter: 0 });
    assert.deepEqual(watermarks, [true, false]);
    assert.deepEqual(real.owner.left, ["H", "Dabcde"]);
  }
});
