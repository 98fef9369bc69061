// A connection without a socket, for tests of one codec: keeps what was written and how it ended.
import type { Connection, ConnectionCallbacks } from "../../host/net/connection.ts";

export class FakeConnection {
  written = "";
  isOpen = true;
  isAboveHighWatermark = false;
  highWatermark = 1024 * 1024;
  bufferedBytes = 0;
  readDisabled = 0;
  flushesLate = false;
  callbacks: ConnectionCallbacks | undefined = undefined;

  /** As the codecs take it; they use no more of a connection than is here. */
  get asConnection(): Connection {
    return this as unknown as Connection;
  }

  setCallbacks(callbacks: ConnectionCallbacks): void {
    this.callbacks = callbacks;
  }
  writeString(text: string): void {
    if (this.isOpen) this.written += text;
  }
  writeBytes(data: Uint8Array): void {
    if (this.isOpen) this.written += Buffer.from(data.buffer, data.byteOffset, data.length).latin1Slice();
  }
  writeBlock(block: Buffer, start: number, end: number): void {
    this.writeBytes(block.subarray(start, end));
  }
  /** What was written since the last call. */
  take(): Buffer {
    const written = Buffer.from(this.written, "latin1");
    this.written = "";
    return written;
  }
  readDisable(disable: boolean): void {
    this.readDisabled += disable ? 1 : -1;
  }
  enter(): void {}
  leave(): void {}
  endWrites(): void {
    this.isOpen = false;
  }
  closeAfterFlush(): void {
    this.isOpen = false;
  }
  destroy(): void {
    this.isOpen = false;
  }
  reset(): void {
    this.isOpen = false;
  }
}
