// What is asked of a host to see how it is: a connection and perhaps some bytes, an HTTP request, or grpc.health.v1.Health/Check. A
// probe keeps its connection from check to check unless reuse_connection is off.
import type { HealthProbe, StatusRange } from "../config/health-check.ts";
import type { ClientConnection, ClientConnectionCallbacks, RequestEncoder, ResponseDecoder } from "../http/codec.ts";
import { HeaderMap } from "../http/header-map.ts";
import type { Connection, ConnectionCallbacks } from "../net/connection.ts";
import type { SocketReader } from "../net/socket-reader.ts";
import type { StringTest } from "../net/string-matcher.ts";
import type { Probe, ProbeOwner, ProbeResult } from "./health-checker.ts";

export interface ProbeContext {
  readonly reuseConnection: boolean;
  /** `onReady` comes once bytes may be sent. */
  connect(onReady: () => void): SocketReader;
  makeConnection(reader: SocketReader, callbacks: ConnectionCallbacks): Connection;
}

/** A connection that is made when a check needs one. */
abstract class ConnectedProbe implements Probe, ConnectionCallbacks {
  protected readonly owner: ProbeOwner;
  protected readonly ctx: ProbeContext;
  protected connection: Connection | undefined = undefined;
  private isChecking = false;
  private isReady = false;

  constructor(owner: ProbeOwner, ctx: ProbeContext) {
    this.owner = owner;
    this.ctx = ctx;
  }

  protected abstract ask(connection: Connection, isNew: boolean): void;
  protected abstract onGone(): void;

  start(): void {
    this.isChecking = true;
    if (this.connection !== undefined && this.isReady) {
      this.run(this.connection, false);
      return;
    }
    const reader = this.ctx.connect(() => {
      this.isReady = true;
      if (this.connection !== undefined && this.isChecking) this.run(this.connection, true);
    });
    this.connection = this.ctx.makeConnection(reader, this);
  }

  private run(connection: Connection, isNew: boolean): void {
    connection.enter();
    this.ask(connection, isNew);
    connection.leave();
  }

  /** `canKeep`: the connection may serve the next check. */
  protected finish(result: ProbeResult, canKeep: boolean): void {
    if (!this.isChecking) return;
    this.isChecking = false;
    if (!canKeep || !this.ctx.reuseConnection) this.drop();
    this.owner.onProbeResult(result);
  }

  private drop(): void {
    const connection = this.connection;
    this.connection = undefined;
    this.isReady = false;
    this.onGone();
    connection?.destroy();
  }

  cancel(): void {
    this.isChecking = false;
    this.drop();
  }

  close(): void {
    this.cancel();
  }

  onData(_data: Buffer): void {}
  onEnd(): void {
    this.connection?.destroy();
  }
  onClose(): void {
    this.connection = undefined;
    this.isReady = false;
    this.onGone();
    this.finish("network", false);
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

/** More than any answer that is waited for; what is beyond cannot match any more. */
const MAX_RECEIVED = 64 * 1024;

export class TcpProbe extends ConnectedProbe {
  private readonly config: Extract<HealthProbe, { kind: "tcp" }>;
  private received = Buffer.alloc(0);

  constructor(config: Extract<HealthProbe, { kind: "tcp" }>, owner: ProbeOwner, ctx: ProbeContext) {
    super(owner, ctx);
    this.config = config;
  }

  protected override ask(connection: Connection): void {
    this.received = Buffer.alloc(0);
    connection.writeBytes(this.config.send);
    if (this.config.receive.length === 0) this.finish("success", this.config.send.length > 0);
  }

  protected override onGone(): void {
    this.received = Buffer.alloc(0);
  }

  override onData(data: Buffer): void {
    this.received = Buffer.concat([this.received, data]);
    let at = 0;
    for (const part of this.config.receive) {
      const found = this.received.indexOf(part, at);
      if (found < 0) {
        if (this.received.length > MAX_RECEIVED) this.finish("failure", false);
        return;
      }
      at = found + part.length;
    }
    this.finish("success", true);
  }
}

export interface HttpQuestion {
  makeHeaders(): HeaderMap;
  /** undefined: the headers are all. */
  readonly body: Uint8Array | undefined;
  /** `trailers` undefined: there are none. */
  judge(headers: HeaderMap, body: Uint8Array, trailers: HeaderMap | undefined): ProbeResult;
}

export type MakeCodec = (connection: Connection, callbacks: ClientConnectionCallbacks) => ClientConnection;

/** Over HTTP/1.1 or HTTP/2, as the codec says. */
export class HttpProbe extends ConnectedProbe implements ResponseDecoder, ClientConnectionCallbacks {
  private readonly question: HttpQuestion;
  private readonly makeCodec: MakeCodec;
  private codec: ClientConnection | undefined = undefined;
  private encoder: RequestEncoder | undefined = undefined;
  private headers: HeaderMap | undefined = undefined;
  private body = Buffer.alloc(0);
  private verdict: ProbeResult | undefined = undefined;
  /** The host said goodbye: the next check has a connection of its own. */
  private isGoingAway = false;

  constructor(question: HttpQuestion, makeCodec: MakeCodec, owner: ProbeOwner, ctx: ProbeContext) {
    super(owner, ctx);
    this.question = question;
    this.makeCodec = makeCodec;
  }

  protected override ask(connection: Connection, isNew: boolean): void {
    if (isNew || this.codec === undefined) this.codec = this.makeCodec(connection, this);
    this.headers = undefined;
    this.body = Buffer.alloc(0);
    this.verdict = undefined;
    this.encoder = this.codec.newStream(this);
    const { body } = this.question;
    this.encoder.encodeHeaders(this.question.makeHeaders(), body === undefined);
    if (body !== undefined) this.encoder.encodeData(body, true);
  }

  protected override onGone(): void {
    this.codec = undefined;
    this.encoder = undefined;
  }

  // ---- ResponseDecoder ----

  decode1xxHeaders(): void {}

  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers;
    if (endStream) this.judge(undefined);
  }

  decodeData(data: Uint8Array, endStream: boolean): void {
    if (this.body.length < MAX_RECEIVED) this.body = Buffer.concat([this.body, data]);
    if (endStream) this.judge(undefined);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.judge(trailers);
  }

  private judge(trailers: HeaderMap | undefined): void {
    if (this.headers !== undefined) this.verdict = this.question.judge(this.headers, this.body, trailers);
  }

  onReset(): void {
    this.finish("network", false);
  }

  // ---- ClientConnectionCallbacks: the answer counts when the exchange is over ----

  onStreamComplete(reusable: boolean): void {
    this.encoder = undefined;
    if (this.verdict !== undefined) this.finish(this.verdict, reusable);
  }

  onGoAway(): void {
    this.isGoingAway = true;
  }

  onMaxStreamsChanged(): void {}

  /** The connection ends, and the check with it. */
  onProtocolError(): void {}

  protected override finish(result: ProbeResult, canKeep: boolean): void {
    const keeps = canKeep && !this.isGoingAway;
    this.isGoingAway = false;
    super.finish(result, keeps);
  }
}

const USER_AGENT = "Envoy/HC";

/** Headers that every check over HTTP has. */
function checkHeaders(method: string, authority: string, path: string): HeaderMap {
  const headers = new HeaderMap();
  headers.add(":method", method);
  headers.add(":path", path);
  headers.add(":authority", authority);
  headers.add(":scheme", "http");
  return headers;
}

function addAll(headers: HeaderMap, added: readonly (readonly [string, string])[]): void {
  for (const [name, value] of added) headers.set(name, value);
}

const isIn = (ranges: readonly StatusRange[], status: number): boolean => ranges.some(([start, end]) => status >= start && status < end);

export function httpQuestion(
  config: Extract<HealthProbe, { kind: "http" }>,
  authority: string,
  added: readonly (readonly [string, string])[],
  serviceName: StringTest | undefined,
): HttpQuestion {
  return {
    body: undefined,
    makeHeaders: () => {
      const headers = checkHeaders(config.method, authority, config.path);
      headers.add("user-agent", USER_AGENT);
      addAll(headers, added);
      for (const name of config.headersToRemove) headers.remove(name);
      return headers;
    },
    judge: (headers) => {
      const status = Number(headers.get(":status"));
      if (!isIn(config.expectedStatuses, status)) return isIn(config.retriableStatuses, status) ? "network" : "failure";
      if (serviceName !== undefined && !serviceName(headers.get("x-envoy-upstream-healthchecked-cluster") ?? "")) return "failure";
      return "success";
    },
  };
}

const SERVING = 1;

/** HealthCheckRequest {service 1}, as one message of the stream. */
function checkRequest(serviceName: string): Uint8Array {
  const name = Buffer.from(serviceName, "utf8");
  const length: number[] = [];
  let rest = name.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  length.push(rest);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** HealthCheckResponse {status 1}: -1 when this is none. */
function servingStatus(body: Uint8Array): number {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (bytes.length < 5 || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) return -1;
  if (bytes.length === 5) return 0;
  return bytes.length === 7 && bytes[5] === 0x08 ? bytes[6] : -1;
}

export function grpcQuestion(
  config: Extract<HealthProbe, { kind: "grpc" }>,
  authority: string,
  added: readonly (readonly [string, string])[],
): HttpQuestion {
  return {
    body: checkRequest(config.serviceName),
    makeHeaders: () => {
      const headers = checkHeaders("POST", authority, "/grpc.health.v1.Health/Check");
      headers.add("te", "trailers");
      headers.add("content-type", "application/grpc");
      headers.add("user-agent", USER_AGENT);
      addAll(headers, added);
      return headers;
    },
    judge: (headers, body, trailers) => {
      if (headers.get(":status") !== "200") return "network";
      const status = (trailers ?? headers).get("grpc-status");
      if (status !== "0") return "failure";
      return servingStatus(body) === SERVING ? "success" : "failure";
    },
  };
}
