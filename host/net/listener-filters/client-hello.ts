// The ClientHello of a TLS handshake (RFC 8446 4.1.2), read from the first bytes of a connection without taking part in it: which
// server is named, which protocols are offered. It may come in many records, and records in many pieces.

export type ClientHelloResult =
  | { readonly kind: "more" }
  /** The bytes are no TLS at all. */
  | { readonly kind: "not_tls" }
  /** TLS, but no ClientHello that can be read, or one over the limit. */
  | { readonly kind: "error"; readonly isTooLarge: boolean }
  | { readonly kind: "hello"; readonly serverName: string; readonly protocols: readonly string[]; readonly length: number };

const MORE: ClientHelloResult = { kind: "more" };
const NOT_TLS: ClientHelloResult = { kind: "not_tls" };
const ERROR: ClientHelloResult = { kind: "error", isTooLarge: false };
const TOO_LARGE: ClientHelloResult = { kind: "error", isTooLarge: true };

const RECORD_HANDSHAKE = 22;
const RECORD_HEADER = 5;
const MAX_RECORD = 16_384;
const HANDSHAKE_CLIENT_HELLO = 1;
const HANDSHAKE_HEADER = 4;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;

/** `maxBytes` limits the message, without the headers of its records. */
export function readClientHello(data: Uint8Array, maxBytes: number): ClientHelloResult {
  if (data.length === 0) return MORE;
  if (data[0] !== RECORD_HANDSHAKE) return NOT_TLS;
  if (data.length > 1 && data[1] !== 3) return NOT_TLS;
  const parts: Uint8Array[] = [];
  let have = 0;
  let needed = HANDSHAKE_HEADER;
  let at = 0;
  while (have < needed) {
    if (data.length - at < RECORD_HEADER) return isRecordStart(data, at) ? MORE : ERROR;
    if (!isRecordStart(data, at)) return ERROR;
    const length = (data[at + 3] << 8) | data[at + 4];
    // RFC 8446 5.1: a record of a handshake is neither empty nor longer than this.
    if (length === 0 || length > MAX_RECORD) return ERROR;
    const part = data.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    parts.push(part);
    have += part.length;
    at += RECORD_HEADER + length;
    if (have >= HANDSHAKE_HEADER && needed === HANDSHAKE_HEADER) {
      const head = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      if (head[0] !== HANDSHAKE_CLIENT_HELLO) return ERROR;
      needed = HANDSHAKE_HEADER + ((head[1] << 16) | (head[2] << 8) | head[3]);
      if (needed > maxBytes) return TOO_LARGE;
    }
    // A record is decrypted, or here read, as a whole.
    if (part.length < length) return MORE;
  }
  const message = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  return readMessage(message.subarray(HANDSHAKE_HEADER, needed), at);
}

function isRecordStart(data: Uint8Array, at: number): boolean {
  return (data.length <= at || data[at] === RECORD_HANDSHAKE) && (data.length <= at + 1 || data[at + 1] === 3);
}

/** Steps through vectors with lengths in front; -1 once something does not fit. */
class Cursor {
  private readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  number(size: 1 | 2): number {
    if (this.at + size > this.end) return -1;
    const value = size === 1 ? this.bytes[this.at] : (this.bytes[this.at] << 8) | this.bytes[this.at + 1];
    this.at += size;
    return value;
  }

  /** What stands behind a length of so many bytes; undefined: it does not fit. */
  vector(size: 1 | 2): Cursor | undefined {
    const length = this.number(size);
    if (length < 0 || this.at + length > this.end) return undefined;
    const inner = new Cursor(this.bytes, this.at, this.at + length);
    this.at += length;
    return inner;
  }

  get text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.at, this.end - this.at).latin1Slice();
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }
}

function readMessage(message: Uint8Array, length: number): ClientHelloResult {
  const cursor = new Cursor(message, 34, message.length); // version and random
  if (message.length < 34) return ERROR;
  if (cursor.vector(1) === undefined || cursor.vector(2) === undefined || cursor.vector(1) === undefined) return ERROR;
  if (cursor.isAtEnd) return { kind: "hello", serverName: "", protocols: [], length };
  const extensions = cursor.vector(2);
  if (extensions === undefined || !cursor.isAtEnd) return ERROR;
  let serverName = "";
  let protocols: readonly string[] = [];
  const seen = new Set<number>();
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type < 0 || body === undefined || seen.has(type)) return ERROR;
    seen.add(type);
    if (type === EXTENSION_SERVER_NAME) {
      const name = readServerName(body);
      if (name === undefined) return ERROR;
      serverName = name;
    } else if (type === EXTENSION_ALPN) {
      const list = readProtocols(body);
      if (list === undefined) return ERROR;
      protocols = list;
    }
  }
  return { kind: "hello", serverName, protocols, length };
}

/** RFC 6066 3: a list of names, of which host_name (0) is the only kind there is. */
function readServerName(body: Cursor): string | undefined {
  const list = body.vector(2);
  if (list === undefined || !body.isAtEnd || list.number(1) !== 0) return undefined;
  const name = list.vector(2);
  if (name === undefined || !list.isAtEnd || name.isAtEnd) return undefined;
  const { text } = name;
  // What is no name of a host must not be taken for one by a log, a matcher or a header.
  return text.length <= 255 && /^[\x21-\x7e]+$/.test(text) ? text.toLowerCase() : undefined;
}

function readProtocols(body: Cursor): readonly string[] | undefined {
  const list = body.vector(2);
  if (list === undefined || !body.isAtEnd || list.isAtEnd) return undefined;
  const protocols: string[] = [];
  while (!list.isAtEnd) {
    const protocol = list.vector(1);
    if (protocol === undefined || protocol.isAtEnd) return undefined;
    protocols.push(protocol.text);
  }
  return protocols;
}
