// Length-prefixed messages of gRPC (gRPC over HTTP/2, "Length-Prefixed-Message"): one byte of flags, four of length, the message. They
// are cut anywhere into DATA frames, so both readers here keep their place between calls and take a byte at a time where they must.
export const FRAME_PREFIX_BYTES = 5;
/** The only flag of gRPC itself. */
const FLAG_COMPRESSED = 1;
const NO_BYTES = Buffer.alloc(0);

/** Counts messages that go by, from their first byte on; keeps nothing of them (Envoy's FrameInspector). */
export class GrpcFrameCounter {
  count = 0;
  private prefixBytes = 0;
  /** Of the message in progress, or what of it was read while in the prefix. */
  private left = 0;

  inspect(data: Uint8Array): void {
    let at = 0;
    while (at < data.length) {
      if (this.prefixBytes < FRAME_PREFIX_BYTES) {
        if (this.prefixBytes === 0) {
          this.count++;
          this.left = 0;
        } else this.left = this.left * 256 + data[at];
        at++;
        this.prefixBytes++;
      } else {
        const taken = Math.min(this.left, data.length - at);
        at += taken;
        this.left -= taken;
      }
      if (this.prefixBytes === FRAME_PREFIX_BYTES && this.left === 0) this.prefixBytes = 0;
    }
  }
}

export type GrpcFrameError = "malformed" | "compressed" | "too large";

/** Gives messages whole. After an error it must not be used again. */
export class GrpcFrameDecoder {
  private readonly maxBytes: number;
  private prefixBytes = 0;
  private flags = 0;
  private length = 0;
  /** The first bytes of a message whose rest is to come. Grows with what is there, not with what its prefix promises. */
  private partial: Buffer = NO_BYTES;
  private partialBytes = 0;

  /** Longer messages are an error. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /**
   * Calls `onMessage` for each message that is complete now, until it answers false; what is wrong, or undefined. A message is valid
   * during the call.
   */
  decode(data: Uint8Array, onMessage: (message: Uint8Array) => boolean): GrpcFrameError | undefined {
    let at = 0;
    for (;;) {
      while (this.prefixBytes < FRAME_PREFIX_BYTES) {
        if (at === data.length) return undefined;
        const byte = data[at++];
        if (this.prefixBytes++ > 0) {
          this.length = this.length * 256 + byte;
          continue;
        }
        if (byte > FLAG_COMPRESSED) return "malformed";
        this.flags = byte;
        this.length = 0;
      }
      if (this.length > this.maxBytes) return "too large";
      // An empty message is the same, compressed or not.
      if (this.length > 0 && this.flags === FLAG_COMPRESSED) return "compressed";
      const end = at + this.length - this.partialBytes;
      if (end > data.length) {
        this.keep(data.subarray(at));
        return undefined;
      }
      let message = data.subarray(at, end);
      if (this.partialBytes > 0) {
        this.keep(message);
        message = this.partial.subarray(0, this.length);
        this.partial = NO_BYTES;
        this.partialBytes = 0;
      }
      at = end;
      this.prefixBytes = 0;
      if (!onMessage(message)) return undefined;
    }
  }

  private keep(data: Uint8Array): void {
    const size = this.partialBytes + data.length;
    if (size > this.partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.length, Math.max(size, 2 * this.partial.length, 256)));
      this.partial.copy(grown, 0, 0, this.partialBytes);
      this.partial = grown;
    }
    this.partial.set(data, this.partialBytes);
    this.partialBytes = size;
  }
}

/** The prefix of an uncompressed message. */
export function framePrefix(length: number, flags = 0): Buffer {
  const prefix = Buffer.allocUnsafe(FRAME_PREFIX_BYTES);
  prefix[0] = flags;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** A whole uncompressed message with its prefix. */
export function frameMessage(message: Uint8Array): Buffer {
  return Buffer.concat([framePrefix(message.length), message]);
}
