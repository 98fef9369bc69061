// PINGs that find out whether the peer is still there (core.v3.KeepaliveSettings): by the clock, and with a stream that begins on a
// connection on which nothing came for a while. One unanswered in time ends the connection.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { Http2Keepalive } from "../config/http2.ts";

const TIMER_INTERVAL = 0;
const TIMER_TIMEOUT = 1;
/** The clock keeps one queue for each duration, so jitter comes in steps. */
const JITTER_STEPS = 16;

/** Connections made one after the other are spread evenly by the golden ratio: better than at random, and without randomness. */
let spread = 0;

export interface KeepaliveOwner {
  sendKeepalivePing(): void;
  onKeepaliveTimeout(): void;
}

export class Keepalive implements TimerOwner {
  private readonly settings: Http2Keepalive;
  private readonly owner: KeepaliveOwner;
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly intervalTimer = new Timer(this, TIMER_INTERVAL);
  private readonly timeoutTimer = new Timer(this, TIMER_TIMEOUT);
  private receivedAt: number;

  constructor(settings: Http2Keepalive, owner: KeepaliveOwner, clock: Clock) {
    this.settings = settings;
    this.owner = owner;
    this.clock = clock;
    this.receivedAt = clock.now;
    spread = (spread + 0.618_033_988_75) % 1;
    const jitter = Math.floor(spread * JITTER_STEPS) / JITTER_STEPS;
    this.intervalMs = settings.intervalMs * (1 + (jitter * settings.intervalJitterPercent) / 100);
    clock.start(this.intervalTimer, this.intervalMs);
  }

  onReceived(): void {
    this.receivedAt = this.clock.now;
  }

  onStreamBegins(): void {
    const idle = this.settings.connectionIdleIntervalMs;
    if (idle > 0 && this.clock.now - this.receivedAt > idle) this.ping();
  }

  onAnswer(): void {
    this.timeoutTimer.clear();
    if (!this.intervalTimer.armed) this.clock.start(this.intervalTimer, this.intervalMs);
  }

  private ping(): void {
    if (this.timeoutTimer.armed) return;
    this.clock.start(this.timeoutTimer, this.settings.timeoutMs);
    this.owner.sendKeepalivePing();
  }

  onTimer(kind: number): void {
    if (kind === TIMER_TIMEOUT) this.owner.onKeepaliveTimeout();
    else this.ping();
  }

  stop(): void {
    this.intervalTimer.clear();
    this.timeoutTimer.clear();
  }
}
