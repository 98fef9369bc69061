// A client that writes bytes as it is told and reads answers with the tests' own reader.
import { connect, type Socket } from "node:net";
import { type Http1Message, Http1Reader, type ResponseMessage } from "./http1-messages.ts";

/** After this turn of the event loop, reads included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** So many turns: what both ends of a loopback connection wrote last has then been read. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Waits for the promise, but no longer than so long. */
export async function withDeadline(promise: Promise<void>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  await Promise.race([promise, deadline]);
  clearTimeout(timer);
}

export class RawClient {
  readonly socket: Socket;
  /** Final answers that are complete, in order. */
  readonly responses: ResponseMessage[] = [];
  readonly informational: ResponseMessage[] = [];
  readonly reader: Http1Reader;
  bytes = "";
  hasEnded = false;
  isClosed = false;
  error = "";
  isConnected = false;
  private waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];

  /** `methods`: of the requests to come, in order; those left out count as GET unless the answer says x-method. */
  constructor(port: number, methods: readonly string[] = []) {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.reader = new Http1Reader("response", (message) => this.onMessage(message));
    this.reader.nextMethod = (message) =>
      message.headers.find(([name]) => name === "x-method")?.[1] ?? methods[this.responses.length] ?? "GET";
    this.socket.on("connect", () => {
      this.isConnected = true;
      this.changed();
    });
    this.socket.on("data", (data) => {
      this.bytes += data.latin1Slice();
      this.reader.feed(data);
      this.changed();
    });
    this.socket.on("end", () => {
      this.hasEnded = true;
      this.reader.end();
      this.changed();
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    this.socket.on("close", () => {
      this.hasEnded = true;
      this.isClosed = true;
      this.changed();
    });
  }

  private onMessage(message: Http1Message): void {
    const response = message as ResponseMessage;
    if (response.status >= 200) this.responses.push(response);
    else this.informational.push(response);
  }

  private changed(): void {
    if (this.waiters.length === 0) return;
    const done = this.waiters.filter((waiter) => waiter.isDone());
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.resolve();
  }

  write(text: string): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(text, "latin1");
  }

  /** Resolves when the condition holds, or the connection is closed; looked at again after each event of this client. */
  async until(isDone: () => boolean): Promise<void> {
    const either = (): boolean => this.isClosed || isDone();
    if (!either()) await new Promise<void>((resolve) => this.waiters.push({ isDone: either, resolve }));
  }

  /** True when it held within the time. */
  async untilOrTimeout(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
    await withDeadline(this.until(isDone), timeoutMs);
    return isDone();
  }

  async connected(): Promise<this> {
    await this.until(() => this.isConnected);
    return this;
  }

  /** The answer number `count` (from 1), or undefined when the connection closed before it. */
  async response(count = 1): Promise<ResponseMessage | undefined> {
    await this.until(() => this.responses.length >= count || this.hasEnded);
    return this.responses[count - 1];
  }

  async closed(): Promise<void> {
    await this.until(() => this.hasEnded);
  }

  get statuses(): number[] {
    return this.responses.map((response) => response.status);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** One request on a connection of its own. */
export async function exchange(port: number, request: string, method = "GET"): Promise<ResponseMessage | undefined> {
  const client = new RawClient(port, [method]);
  client.write(request);
  const response = await client.response();
  client.destroy();
  return response;
}

export const get = (target: string, headers = ""): string => `GET ${target} HTTP/1.1\r\nHost: a.example\r\n${headers}\r\n`;
