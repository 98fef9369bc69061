// Connections that were written to in this turn of the event loop, flushed together when its event handler ends, and the one buffer that
// small pieces are gathered in.
import type { Clock } from "../base/clock.ts";

export const SCRATCH_BYTES = 128 * 1024;

interface Flushable {
  flush(): void;
}

export class Flusher {
  private dirty: Flushable[] = [];
  private late: Flushable[] = [];
  private depth = 0;
  private scheduled = false;
  private scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
    clock.afterTurn = () => this.flush();
  }

  enter(): void {
    if (this.depth++ === 0) this.clock.update();
  }

  leave(): void {
    if (--this.depth === 0 && this.dirty.length > 0) this.flush();
  }

  add(connection: Flushable): void {
    this.dirty.push(connection);
    // Written outside an event of ours (a promise, a native timer): the flush follows as soon as the stack is empty.
    if (this.depth === 0 && !this.scheduled) {
      this.scheduled = true;
      process.nextTick(this.flushLater);
    }
  }

  /** Flushed when all events of this turn were handled: for a connection that many others write to, one write instead of one an event. */
  addLate(connection: Flushable): void {
    this.late.push(connection);
    if (this.late.length === 1) setImmediate(this.flushLate);
  }

  private readonly flushLate = (): void => {
    const late = this.late;
    this.late = [];
    this.enter();
    for (const connection of late) connection.flush();
    this.leave();
  };

  private readonly flushLater = (): void => {
    this.scheduled = false;
    this.flush();
  };

  flush(): void {
    // A flush may close a connection, whose owner may write to another one: the list can grow while it is walked.
    for (let i = 0; i < this.dirty.length; i++) this.dirty[i].flush();
    this.dirty.length = 0;
  }

  /** One buffer with all pending parts; valid until the next call unless `keepScratch` says the socket still needs it. */
  gather(parts: (string | Uint8Array)[], bytes: number): Buffer {
    const target = bytes <= SCRATCH_BYTES ? this.scratch : Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    for (const part of parts) {
      if (typeof part === "string") at += target.latin1Write(part, at);
      else {
        target.set(part, at);
        at += part.length;
      }
    }
    return target.subarray(0, at);
  }

  /** The socket did not take the scratch buffer's bytes at once: leave it to the socket and use a new one. */
  giveAwayScratch(): void {
    this.scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}
