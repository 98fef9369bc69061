// Streams that have bytes to send, in turn. Whoever comes when nobody waits need not queue up.
import type { Http2Stream } from "./stream.ts";

/** So many places at the front may be empty before the rest moves up. */
const MAX_EMPTY = 1024;

export class SendQueue {
  private streams: Http2Stream[] = [];
  private head = 0;

  get isEmpty(): boolean {
    return this.head === this.streams.length;
  }

  add(stream: Http2Stream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.streams.push(stream);
  }

  next(): Http2Stream | undefined {
    if (this.isEmpty) return undefined;
    const stream = this.streams[this.head++];
    stream.isQueued = false;
    if (this.isEmpty) this.clear();
    else if (this.head >= MAX_EMPTY) {
      this.streams.splice(0, this.head);
      this.head = 0;
    }
    return stream;
  }

  clear(): void {
    this.streams.length = 0;
    this.head = 0;
  }
}
