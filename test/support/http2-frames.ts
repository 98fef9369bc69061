// Frames written by hand and read back, for peers that break the rules. Header blocks are literals without indexing, unless a test
// writes HPACK itself.
import { connect, createServer, type Server, type Socket } from "node:net";
import { HpackDecoder } from "../../host/http2/hpack-decoder.ts";

export const T = {
  data: 0,
  headers: 1,
  priority: 2,
  rst: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const F = { end: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export type Pairs = readonly (readonly [string, string])[];

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array | string = ""): Buffer {
  const body = Buffer.from(payload as string, "latin1");
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([header, body]);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value >>> 0, i * 4);
  });
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}

export function block(pairs: Pairs): Buffer {
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export const REQUEST: Pairs = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.example"],
];
export const post = (more: Pairs = []): Pairs => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo"],
  [":authority", "a.example"],
  ...more,
];

export function headers(streamId: number, pairs: Pairs = REQUEST, flags: number = F.end | F.endHeaders): Buffer {
  return frame(T.headers, flags, streamId, block(pairs));
}
export const settings = (...entries: readonly (readonly [number, number])[]): Buffer =>
  frame(
    T.settings,
    0,
    0,
    Buffer.concat(
      entries.map(([id, value]) => {
        const entry = Buffer.alloc(6);
        entry.writeUInt16BE(id, 0);
        entry.writeUInt32BE(value, 2);
        return entry;
      }),
    ),
  );
export const windowUpdate = (streamId: number, increment: number): Buffer => frame(T.windowUpdate, 0, streamId, uint32(increment));
export const rst = (streamId: number, code = 8): Buffer => frame(T.rst, 0, streamId, uint32(code));
export const ping = (payload = "12345678", flags = 0): Buffer => frame(T.ping, flags, 0, payload);
export const data = (streamId: number, payload: Uint8Array | string, flags = 0): Buffer => frame(T.data, flags, streamId, payload);
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** Of HEADERS. */
  readonly fields: [string, string][];
}

/** One end of a connection, frame by frame. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: SeenFrame[] = [];
  isClosed = false;
  private rest = Buffer.alloc(0);
  private prefaceLeft: number;
  private readonly decoder = new HpackDecoder(4096);
  private waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  onFrame: (frame: SeenFrame) => void = () => {};

  constructor(socket: Socket, skip = 0) {
    this.socket = socket;
    this.prefaceLeft = skip;
    socket.on("data", (bytes) => this.read(bytes));
    socket.on("error", () => {
      // The close that follows is what tests look at.
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.changed();
    });
  }

  static connect(port: number): RawPeer {
    return new RawPeer(connect({ port, host: "127.0.0.1", noDelay: true }));
  }

  write(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(Buffer.concat(frames));
  }

  private read(bytes: Buffer): void {
    const skipped = Math.min(this.prefaceLeft, bytes.length);
    this.prefaceLeft -= skipped;
    this.rest = Buffer.concat([this.rest, bytes.subarray(skipped)]);
    while (this.rest.length >= 9) {
      const length = this.rest.readUIntBE(0, 3);
      if (this.rest.length < 9 + length) break;
      const payload = Buffer.from(this.rest.subarray(9, 9 + length));
      const fields: [string, string][] = [];
      if (this.rest[3] === T.headers) this.decoder.decode(payload, 0, length, { onField: (name, value) => fields.push([name, value]) });
      const seen = { type: this.rest[3], flags: this.rest[4], streamId: this.rest.readUInt32BE(5), payload, fields };
      this.rest = this.rest.subarray(9 + length);
      this.frames.push(seen);
      this.onFrame(seen);
    }
    this.changed();
  }

  private changed(): void {
    const done = this.waiters.filter((waiter) => waiter.isDone());
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.resolve();
  }

  /** Resolves when the condition holds, or the connection is closed. */
  async until(isDone: () => boolean): Promise<void> {
    const either = (): boolean => this.isClosed || isDone();
    if (!either()) await new Promise<void>((resolve) => this.waiters.push({ isDone: either, resolve }));
  }

  of(type: number, streamId?: number): SeenFrame[] {
    return this.frames.filter((seen) => seen.type === type && (streamId === undefined || seen.streamId === streamId));
  }

  /** Code of the GOAWAY that ended the connection; undefined: there was none. */
  get goAway(): number | undefined {
    return this.of(T.goaway).at(-1)?.payload.readUInt32BE(4);
  }

  resetOf(streamId: number): number | undefined {
    return this.of(T.rst, streamId)[0]?.payload.readUInt32BE(0);
  }

  status(streamId: number): string | undefined {
    return this.of(T.headers, streamId)[0]?.fields.find(([name]) => name === ":status")?.[1];
  }

  body(streamId: number): string {
    return Buffer.concat(this.of(T.data, streamId).map(({ payload }) => payload)).latin1Slice();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** A server of frames written by hand. */
export class RawHttp2Upstream {
  readonly peers: RawPeer[] = [];
  port = 0;
  private readonly server: Server;
  onPeer: (peer: RawPeer) => void = () => {};

  constructor() {
    this.server = createServer({ noDelay: true }, (socket) => {
      const peer = new RawPeer(socket, PREFACE.length);
      this.peers.push(peer);
      this.onPeer(peer);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    return this;
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.destroy();
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
  }
}
