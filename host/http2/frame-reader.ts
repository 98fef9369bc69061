// Bytes to frames (RFC 9113 4.1). The payload of DATA goes on as it comes, without being collected; that of every other frame is
// handed over in one piece, which is copied only when it came in several reads. What bounds the copy is MAX_FRAME_BYTES.
import { FRAME_HEADER_BYTES, FrameType, PREFACE, readUint32 } from "./frames.ts";

export interface FrameHandler {
  /** Every frame's header, before its payload. False: the connection is broken, nothing more is read. */
  onFrameHeader(length: number, type: number, flags: number, streamId: number): boolean;
  /** A piece of the payload of DATA, padding included; `last` is true once for each frame, also for an empty one. */
  onDataPayload(bytes: Buffer, start: number, end: number, last: boolean): boolean;
  /** The payload of another frame, whole. */
  onPayload(bytes: Buffer, start: number, end: number): boolean;
  /** The first bytes are not those that a client must begin with. */
  onBadPreface(): void;
}

const State = { Preface: 0, Header: 1, Data: 2, Payload: 3, Broken: 4 } as const;
type State = (typeof State)[keyof typeof State];

const EMPTY = Buffer.alloc(0);

export class FrameReader {
  private readonly handler: FrameHandler;
  private state: State;
  /** Bytes of the preface that were seen. */
  private prefaceSeen = 0;
  /** A frame header of which only a part has come. */
  private readonly header = Buffer.alloc(FRAME_HEADER_BYTES);
  private headerBytes = 0;
  private remaining = 0;
  private partial: Buffer = EMPTY;
  private partialBytes = 0;

  constructor(handler: FrameHandler, expectsPreface: boolean) {
    this.handler = handler;
    this.state = expectsPreface ? State.Preface : State.Header;
  }

  /** Nothing of a frame is waiting for its rest. */
  get atBoundary(): boolean {
    return this.state === State.Header && this.headerBytes === 0;
  }

  stop(): void {
    this.state = State.Broken;
    this.partial = EMPTY;
  }

  feed(chunk: Buffer): void {
    let at = this.state === State.Preface ? this.readPreface(chunk) : 0;
    const length = chunk.length;
    while (at < length) {
      switch (this.state) {
        case State.Header:
          at = this.readHeader(chunk, at);
          break;
        case State.Data: {
          const end = Math.min(at + this.remaining, length);
          this.remaining -= end - at;
          const last = this.remaining === 0;
          if (last) this.state = State.Header;
          if (!this.handler.onDataPayload(chunk, at, end, last)) this.state = State.Broken;
          at = end;
          break;
        }
        case State.Payload:
          at = this.readPayload(chunk, at);
          break;
        default:
          return;
      }
    }
  }

  private readPreface(chunk: Buffer): number {
    const end = Math.min(chunk.length, PREFACE.length - this.prefaceSeen);
    for (let i = 0; i < end; i++) {
      if (chunk[i] === PREFACE[this.prefaceSeen + i]) continue;
      this.state = State.Broken;
      this.handler.onBadPreface();
      return chunk.length;
    }
    this.prefaceSeen += end;
    if (this.prefaceSeen === PREFACE.length) this.state = State.Header;
    return end;
  }

  private readHeader(chunk: Buffer, at: number): number {
    if (this.headerBytes === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.begin(chunk, at);
      return at + FRAME_HEADER_BYTES;
    }
    const end = Math.min(at + FRAME_HEADER_BYTES - this.headerBytes, chunk.length);
    chunk.copy(this.header, this.headerBytes, at, end);
    this.headerBytes += end - at;
    if (this.headerBytes === FRAME_HEADER_BYTES) {
      this.headerBytes = 0;
      this.begin(this.header, 0);
    }
    return end;
  }

  private begin(bytes: Buffer, at: number): void {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    const type = bytes[at + 3];
    // The state comes first: the handler may stop() the reader.
    this.remaining = length;
    this.partialBytes = 0;
    this.state = length === 0 ? State.Header : type === FrameType.Data ? State.Data : State.Payload;
    let good = this.handler.onFrameHeader(length, type, bytes[at + 4], readUint32(bytes, at + 5) & 0x7fff_ffff);
    if (good && length === 0) {
      good = type === FrameType.Data ? this.handler.onDataPayload(EMPTY, 0, 0, true) : this.handler.onPayload(EMPTY, 0, 0);
    }
    if (!good) this.state = State.Broken;
  }

  private readPayload(chunk: Buffer, at: number): number {
    const available = chunk.length - at;
    if (this.partialBytes === 0 && available >= this.remaining) {
      const end = at + this.remaining;
      this.state = State.Header;
      if (!this.handler.onPayload(chunk, at, end)) this.state = State.Broken;
      return end;
    }
    if (this.partialBytes === 0) this.partial = Buffer.allocUnsafe(this.remaining);
    const end = Math.min(at + this.remaining - this.partialBytes, chunk.length);
    chunk.copy(this.partial, this.partialBytes, at, end);
    this.partialBytes += end - at;
    if (this.partialBytes === this.remaining) {
      const whole = this.partial;
      this.partial = EMPTY;
      this.partialBytes = 0;
      this.state = State.Header;
      if (!this.handler.onPayload(whole, 0, whole.length)) this.state = State.Broken;
    }
    return end;
  }
}
