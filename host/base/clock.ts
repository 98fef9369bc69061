// Time for the data path: one monotonic reading per event-loop turn, and timers that cost nothing to set, refresh and clear.
// Timeouts of a proxy come from configuration, so few distinct durations exist: each has its own queue in order of deadline,
// with one native timer for its head (set, refresh and clear are pointer swaps; the native calls cost 0.4 µs each).

export interface TimeSource {
  /** Monotonic milliseconds with fractions. */
  monotonicMs(): number;
  /** Wall clock, milliseconds since 1970 with fractions. */
  wallMs(): number;
  setTimeout(run: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** Who gets told. `kind` tells one owner's timers apart without a closure for each. */
export interface TimerOwner {
  onTimer(kind: number): void;
}

export class Timer {
  readonly owner: TimerOwner;
  readonly kind: number;
  deadline = 0;
  queue: TimerQueue | undefined = undefined;
  previous: Timer | undefined = undefined;
  next: Timer | undefined = undefined;

  constructor(owner: TimerOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  get armed(): boolean {
    return this.queue !== undefined;
  }

  clear(): void {
    if (this.queue !== undefined) this.queue.remove(this);
  }
}

/** All timers of one duration, soonest first: appending keeps the order because the duration is the same for all. */
class TimerQueue {
  private readonly clock: Clock;
  readonly durationMs: number;
  private first: Timer | undefined = undefined;
  private last: Timer | undefined = undefined;
  private handle: unknown = undefined;

  constructor(clock: Clock, durationMs: number) {
    this.clock = clock;
    this.durationMs = durationMs;
  }

  append(timer: Timer): void {
    timer.queue = this;
    timer.deadline = this.clock.now + this.durationMs;
    timer.previous = this.last;
    timer.next = undefined;
    if (this.last === undefined) this.first = timer;
    else this.last.next = timer;
    this.last = timer;
    if (this.handle === undefined) this.arm(this.durationMs);
  }

  remove(timer: Timer): void {
    if (timer.previous === undefined) this.first = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next === undefined) this.last = timer.previous;
    else timer.next.previous = timer.previous;
    timer.queue = undefined;
    timer.previous = undefined;
    timer.next = undefined;
    // The native timer stays: it finds an empty or later queue and re-arms itself or ends.
  }

  get empty(): boolean {
    return this.first === undefined;
  }

  private arm(delayMs: number): void {
    this.handle = this.clock.source.setTimeout(this.fire, Math.max(1, Math.ceil(delayMs)));
  }

  private readonly fire = (): void => {
    this.clock.update();
    try {
      // The handle stays set meanwhile: an owner that starts its timer again must not arm this queue for the whole duration, past
      // the deadlines of those that wait before it.
      while (this.first !== undefined && this.first.deadline <= this.clock.now) {
        const timer = this.first;
        this.remove(timer);
        timer.owner.onTimer(timer.kind);
      }
    } finally {
      this.handle = undefined;
      if (this.first !== undefined) this.arm(this.first.deadline - this.clock.now);
    }
    this.clock.afterTurn();
  };

  stop(): void {
    this.clock.source.clearTimeout(this.handle);
    this.handle = undefined;
  }
}

/** More distinct durations than this (a peer may name its own, as with grpc-timeout) are rounded up to full seconds. */
const MAX_QUEUES = 256;

export class Clock {
  readonly source: TimeSource;
  /** Monotonic milliseconds as of the last update(): read by everything in this turn. */
  now: number;
  /** See turnWallMs(); NaN: nobody has asked for it. */
  private wall = Number.NaN;
  private readonly queues = new Map<number, TimerQueue>();
  /** Runs after timers fired: the net layer flushes what they wrote. */
  afterTurn: () => void = () => {};

  constructor(source: TimeSource) {
    this.source = source;
    this.now = source.monotonicMs();
  }

  /** To be called once on entry of each event. */
  update(): void {
    this.now = this.source.monotonicMs();
    this.wall = Number.NaN;
  }

  /** (Re)arms a timer; 0 or less clears it instead ("off" in configuration). */
  start(timer: Timer, durationMs: number): void {
    let queue = timer.queue;
    if (queue !== undefined) {
      const isSame = queue.durationMs === durationMs;
      // Several events of one turn start the same timer: it has its place already.
      if (isSame && timer.deadline === this.now + durationMs) return;
      queue.remove(timer);
      if (isSame) {
        queue.append(timer);
        return;
      }
    }
    if (durationMs <= 0) return;
    queue = this.queues.get(durationMs);
    if (queue === undefined) {
      if (this.queues.size >= MAX_QUEUES) {
        this.dropEmptyQueues();
        if (this.queues.size >= MAX_QUEUES) {
          const rounded = Math.ceil(durationMs / 1000) * 1000;
          queue = this.queues.get(rounded);
          if (queue === undefined) {
            queue = new TimerQueue(this, rounded);
            this.queues.set(rounded, queue);
          }
          queue.append(timer);
          return;
        }
      }
      queue = new TimerQueue(this, durationMs);
      this.queues.set(durationMs, queue);
    }
    queue.append(timer);
  }

  private dropEmptyQueues(): void {
    for (const [durationMs, queue] of this.queues) {
      if (!queue.empty) continue;
      queue.stop();
      this.queues.delete(durationMs);
    }
  }

  wallMs(): number {
    return this.source.wallMs();
  }

  /** The wall clock as of the last update(), to be asked only by what runs between that and the end of its event. */
  turnWallMs(): number {
    if (Number.isNaN(this.wall)) this.wall = this.source.wallMs();
    return this.wall;
  }
}
