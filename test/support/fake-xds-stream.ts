// A transport without a network: a test is the server of each stream that the client opens, and says when writing blocks.
import type { Codecs } from "../../host/xds/protos.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";
import type { EndCause, StreamListener, XdsStream, XdsTransport } from "../../host/xds/streams/transport.ts";
import type { Outgoing, SeenRequest } from "./xds-server-model.ts";
import { encodeResponse, readRequest } from "./xds-wire.ts";

export class FakeTransport implements XdsTransport {
  readonly #codecs: Codecs;
  readonly #variant: XdsVariant;
  readonly streams: FakeStream[] = [];

  constructor(codecs: Codecs, variant: XdsVariant) {
    this.#codecs = codecs;
    this.#variant = variant;
  }

  open(method: string, listener: StreamListener): FakeStream {
    const stream = new FakeStream(this.#codecs, this.#variant, { id: this.streams.length + 1, method, listener });
    this.streams.push(stream);
    return stream;
  }

  get last(): FakeStream {
    return this.streams[this.streams.length - 1];
  }
}

export class FakeStream implements XdsStream {
  readonly id: number;
  readonly method: string;
  readonly #listener: StreamListener;
  readonly #codecs: Codecs;
  readonly #variant: XdsVariant;
  readonly requests: SeenRequest[] = [];
  #taken = 0;
  isWritable = true;
  isOver = false;

  constructor(
    codecs: Codecs,
    variant: XdsVariant,
    given: { readonly id: number; readonly method: string; readonly listener: StreamListener },
  ) {
    this.#codecs = codecs;
    this.#variant = variant;
    this.id = given.id;
    this.method = given.method;
    this.#listener = given.listener;
  }

  write(bytes: Uint8Array): void {
    if (!this.isWritable || this.isOver) throw new Error("written while it was blocked or over");
    this.requests.push(readRequest(this.#codecs, this.#variant, bytes, this.id));
  }

  cancel(): void {
    this.isOver = true;
  }

  /** What was written since the last take(). */
  take(): readonly SeenRequest[] {
    const taken = this.requests.slice(this.#taken);
    this.#taken = this.requests.length;
    return taken;
  }

  connect(): void {
    this.#listener.onConnected();
  }

  respond(response: Partial<Outgoing> & Pick<Outgoing, "typeUrl" | "nonce">): void {
    const whole = { stream: this.id, versionInfo: "", resources: [], removed: [], ...response };
    this.receive(encodeResponse(this.#codecs, this.#variant, whole));
  }

  receive(bytes: Uint8Array): void {
    if (!this.isOver) this.#listener.onMessage(bytes);
  }

  block(): void {
    this.isWritable = false;
  }

  unblock(): void {
    this.isWritable = true;
    this.#listener.onWritable();
  }

  end(cause: EndCause = "closed", message = "gone"): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#listener.onEnd({ cause, message });
  }
}
