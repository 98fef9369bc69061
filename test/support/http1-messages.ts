// An HTTP/1.1 reader for the tests' own clients and upstreams. Written apart from host/http1 on purpose: a fault of the codec must
// not be hidden by the same fault in what checks it. It takes bytes as latin1 text, knows no limits, and notes each breach of
// RFC 9112 instead of forgiving it.

export interface Http1Message {
  /** The whole first line. */
  readonly startLine: string;
  /** In order, names lower-cased. */
  readonly headers: readonly (readonly [string, string])[];
  body: string;
  trailers: readonly (readonly [string, string])[];
  /** False while the message is being received; stays false when it was cut off. */
  complete: boolean;
}

export interface RequestMessage extends Http1Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
}

export interface ResponseMessage extends Http1Message {
  readonly status: number;
}

export function headerOf(message: Http1Message, name: string): string | undefined {
  return message.headers.find(([given]) => given === name)?.[1];
}

type Phase = "head" | "fixed" | "size" | "chunk" | "chunk-end" | "trailers" | "until-close" | "raw";

export class Http1Reader {
  readonly messages: Http1Message[] = [];
  readonly breaches: string[] = [];
  /** What came after the switch to another protocol. */
  tunnel = "";
  private text = "";
  private phase: Phase = "head";
  private remaining = 0;
  private readonly kind: "request" | "response";
  private readonly onMessage: (message: Http1Message) => void;
  private readonly onHead: (message: Http1Message) => void;
  private current: Http1Message | undefined = undefined;
  /** For responses: whether the next one answers HEAD or CONNECT; "" for other methods. */
  nextMethod: (message: ResponseMessage) => string = () => "";

  constructor(
    kind: "request" | "response",
    onMessage: (message: Http1Message) => void,
    onHead: (message: Http1Message) => void = () => {},
  ) {
    this.kind = kind;
    this.onMessage = onMessage;
    this.onHead = onHead;
  }

  /** A message has begun and is not over. */
  get isInMessage(): boolean {
    return this.phase === "raw" || this.current !== undefined || this.text !== "";
  }

  feed(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).latin1Slice();
    while (this.step());
  }

  /** The peer sent FIN: ends a message that lasts until then. */
  end(): void {
    if (this.phase === "until-close") this.finish();
  }

  /** Everything from here on is not HTTP. */
  switchToTunnel(): void {
    this.phase = "raw";
    this.step();
  }

  private step(): boolean {
    switch (this.phase) {
      case "head":
        return this.readHead();
      case "fixed":
      case "chunk": {
        if (this.text === "") return false;
        const piece = this.text.slice(0, this.remaining);
        this.take(piece.length);
        this.remaining -= piece.length;
        (this.current as Http1Message).body += piece;
        if (this.remaining > 0) return false;
        if (this.phase === "fixed") this.finish();
        else this.phase = "chunk-end";
        return true;
      }
      case "chunk-end":
        if (this.text.length < 2) return false;
        if (!this.text.startsWith("\r\n")) this.breaches.push("no CRLF after a chunk");
        this.take(2);
        this.phase = "size";
        return true;
      case "size": {
        const line = this.line();
        if (line === undefined) return false;
        if (!/^[0-9a-f]+$/.test(line)) this.breaches.push(`chunk size ${JSON.stringify(line)}`);
        this.remaining = Number.parseInt(line, 16);
        this.phase = this.remaining > 0 ? "chunk" : "trailers";
        return true;
      }
      case "trailers": {
        const block = this.block();
        if (block === undefined) return false;
        (this.current as Http1Message).trailers = this.fields(block);
        this.finish();
        return true;
      }
      case "until-close":
        (this.current as Http1Message).body += this.text;
        this.text = "";
        return false;
      case "raw":
        this.tunnel += this.text;
        this.text = "";
        return false;
    }
  }

  private take(length: number): void {
    this.text = this.text.slice(length);
  }

  private line(): string | undefined {
    const end = this.text.indexOf("\r\n");
    if (end < 0) return undefined;
    const line = this.text.slice(0, end);
    this.take(end + 2);
    return line;
  }

  /** Lines up to an empty one. */
  private block(): string[] | undefined {
    if (this.text.startsWith("\r\n")) {
      this.take(2);
      return [];
    }
    const end = this.text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const lines = this.text.slice(0, end).split("\r\n");
    this.take(end + 4);
    return lines;
  }

  private fields(lines: readonly string[]): (readonly [string, string])[] {
    return lines.map((line) => {
      const form = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/s.exec(line);
      if (form === null || /[\x00-\x08\x0a-\x1f\x7f]/.test(line)) this.breaches.push(`field line ${JSON.stringify(line)}`);
      return [(form?.[1] ?? "").toLowerCase(), form?.[2] ?? ""] as const;
    });
  }

  private readHead(): boolean {
    if (this.text === "") return false;
    const lines = this.block();
    if (lines === undefined) return false;
    const startLine = lines[0] ?? "";
    const base = { startLine, headers: this.fields(lines.slice(1)), body: "", trailers: [], complete: false };
    const message = this.kind === "request" ? this.request(base) : this.response(base);
    this.current = message;
    this.messages.push(message);
    this.onHead(message);
    if ((this.phase as Phase) === "raw") return true;
    this.startBody(message);
    return true;
  }

  private request(base: Http1Message): RequestMessage {
    const form = /^(\S+) (\S+) (HTTP\/1\.1)$/.exec(base.startLine);
    if (form === null) this.breaches.push(`request line ${JSON.stringify(base.startLine)}`);
    const hosts = base.headers.filter(([name]) => name === "host").length;
    if (hosts !== 1) this.breaches.push(`${hosts} host fields`);
    return { ...base, method: form?.[1] ?? "", target: form?.[2] ?? "", version: form?.[3] ?? "" };
  }

  private response(base: Http1Message): ResponseMessage {
    const form = /^HTTP\/1\.1 (\d{3}) [^\r\n]*$/.exec(base.startLine);
    if (form === null) this.breaches.push(`status line ${JSON.stringify(base.startLine)}`);
    return { ...base, status: Number(form?.[1] ?? 0) };
  }

  private startBody(message: Http1Message): void {
    const codings = message.headers.filter(([name]) => name === "transfer-encoding");
    const lengths = message.headers.filter(([name]) => name === "content-length");
    if (codings.length + lengths.length > 1) this.breaches.push("more than one framing field");
    if (codings.length > 0 && codings[0][1] !== "chunked") this.breaches.push(`transfer-encoding ${codings[0][1]}`);
    if (lengths.length > 0 && !/^(0|[1-9]\d*)$/.test(lengths[0][1])) this.breaches.push(`content-length ${lengths[0][1]}`);
    const empty = this.kind === "response" && this.hasNoBody(message as ResponseMessage);
    const length = lengths.length > 0 ? Number(lengths[0][1]) : undefined;
    if (empty || length === 0 || (this.kind === "request" && length === undefined && codings.length === 0)) this.finish();
    else if (codings.length > 0) this.phase = "size";
    else if (length !== undefined) {
      this.phase = "fixed";
      this.remaining = length;
    } else this.phase = "until-close";
  }

  private hasNoBody(message: ResponseMessage): boolean {
    const method = message.status < 200 ? "" : this.nextMethod(message);
    if (message.status === 101 || (method === "CONNECT" && message.status < 300)) {
      (message as Http1Message).complete = true;
      this.phase = "raw";
    }
    return message.status < 200 || message.status === 204 || message.status === 304 || method === "HEAD" || method === "CONNECT";
  }

  private finish(): void {
    const message = this.current as Http1Message;
    this.current = undefined;
    if (this.phase !== "raw") this.phase = "head";
    message.complete = true;
    this.onMessage(message);
  }
}
