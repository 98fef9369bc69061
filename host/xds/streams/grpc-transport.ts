// Streams over gRPC (@grpc/grpc-js), one connection for each: so an attempt begins with fresh name resolution, certificates and tokens,
// and the waiting between attempts is ours alone. Messages pass as bytes.
import { readFileSync } from "node:fs";
import { type ChannelOptions, Client, Metadata, status as codes } from "@grpc/grpc-js";
import { systemClock, type XdsClock } from "../clock.ts";
import { credentialsOf, type GrpcTargetTls } from "./grpc-credentials.ts";
import type { EndCause, StreamEnd, StreamListener, XdsStream, XdsTransport } from "./transport.ts";

export type { GrpcTargetTls };

export interface GrpcTarget {
  /** "host:port", "unix:/path" */
  readonly address: string;
  /** :authority; undefined: the address. */
  readonly authority: string | undefined;
  /** undefined: plaintext. */
  readonly tls: GrpcTargetTls | undefined;
  readonly metadata: readonly (readonly [name: string, value: string])[];
  /** Metadata whose values stand in files: a token that is exchanged while the process runs. */
  readonly metadataFiles: readonly { readonly name: string; readonly prefix: string; readonly path: string }[];
  /** undefined: DEFAULT_MAX_RECEIVE_BYTES. */
  readonly maxReceiveBytes: number | undefined;
}

export interface GrpcTransportOptions {
  /** Asked for each stream; may throw, which counts as a failed connection. */
  target(): GrpcTarget;
  /** undefined: the system's. */
  readonly clock?: XdsClock;
  readonly connectTimeoutMs?: number;
  /** Pings on an open stream. istiod ends connections with more than one ping in 15 s. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
}

/** As of a cluster without a connect_timeout. */
const DEFAULT_CONNECT_TIMEOUT_MS = 5000;

export const DEFAULT_MAX_RECEIVE_BYTES = 64 * 1024 * 1024;

/** HTTP/2's own 64 KiB would make a big message wait for the peer hundreds of times. */
const FLOW_CONTROL_WINDOW = 4 * 1024 * 1024;

export class GrpcTransport implements XdsTransport {
  readonly #options: GrpcTransportOptions;

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
  }

  open(method: string, listener: StreamListener): XdsStream {
    const stream = new GrpcStream(listener);
    // The listener is told nothing before it has the stream.
    setImmediate(() => stream.begin(method, this.#options));
    return stream;
  }
}

type Call = ReturnType<typeof Client.prototype.makeBidiStreamRequest<Uint8Array, Buffer>>;

class GrpcStream implements XdsStream {
  readonly #listener: StreamListener;
  #client: Client | undefined;
  #credentials: ReturnType<typeof credentialsOf> | undefined;
  #call: Call | undefined;
  #timer: { cancel(): void } | undefined;
  #isWriting = true;
  #isConnected = false;
  #isOver = false;

  constructor(listener: StreamListener) {
    this.#listener = listener;
  }

  get isWritable(): boolean {
    return !this.#isWriting && !this.#isOver;
  }

  begin(method: string, options: GrpcTransportOptions): void {
    if (this.#isOver) return;
    try {
      const target = options.target();
      const metadata = metadataOf(target);
      this.#credentials = credentialsOf(target.tls);
      this.#client = new Client(target.address, this.#credentials, channelOptions(target, options));
      this.#listen(this.#client.makeBidiStreamRequest(method, Buffer.from, (bytes) => bytes, metadata));
    } catch (error) {
      this.#end({ cause: "connect", message: error instanceof Error ? error.message : String(error) });
      return;
    }
    const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    this.#timer = (options.clock ?? systemClock).after(connectTimeoutMs, () => {
      this.#end({ cause: "connect", message: `no connection within ${connectTimeoutMs} ms` });
    });
    this.#client.waitForReady(Number.POSITIVE_INFINITY, (error) => {
      // An error here is that of a client that was closed.
      if (error === undefined && !this.#isOver) this.#connected();
    });
    this.#isWriting = false;
    this.#listener.onWritable();
  }

  #listen(call: Call): void {
    this.#call = call;
    call.on("data", (bytes: Buffer) => {
      if (this.#isOver) return;
      this.#connected();
      this.#listener.onMessage(bytes);
    });
    // Every end has a status; what is an error to others follows from it.
    call.on("error", (error: Error & { readonly code?: number; readonly details?: string }) => {
      this.#end(this.#endOf(error.code, error.details ?? error.message));
    });
    call.on("status", ({ code, details }) => {
      this.#end(this.#endOf(code, details));
    });
  }

  #connected(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#timer?.cancel();
    this.#listener.onConnected();
  }

  write(bytes: Uint8Array): void {
    if (this.#call === undefined || !this.isWritable) throw new Error("the stream takes no message now");
    this.#isWriting = true;
    this.#call.write(bytes, () => {
      this.#isWriting = false;
      if (!this.#isOver) this.#listener.onWritable();
    });
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#call?.cancel();
    this.#client?.close();
    if (!this.#isConnected) this.#credentials?.abandon();
  }

  #end(end: StreamEnd): void {
    if (this.#isOver) return;
    this.cancel();
    this.#listener.onEnd(end);
  }

  #endOf(code: number | undefined, details: string): StreamEnd {
    const name = code === undefined ? "UNKNOWN" : codes[code];
    return { cause: causeOf(code, details, this.#isConnected), message: details === "" || details === name ? name : `${name}: ${details}` };
  }
}

function causeOf(code: number | undefined, details: string, wasConnected: boolean): EndCause {
  switch (code) {
    case codes.RESOURCE_EXHAUSTED:
      // The library's own words for its limits; a server's are others.
      return /^Received message .*larger than/.test(details) ? "too_large" : "busy";
    case codes.UNAUTHENTICATED:
    case codes.PERMISSION_DENIED:
    case codes.UNIMPLEMENTED:
    case codes.INVALID_ARGUMENT:
      return "refused";
    default:
      return wasConnected ? "closed" : "connect";
  }
}

function metadataOf(target: GrpcTarget): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of target.metadata) metadata.add(name, name.endsWith("-bin") ? Buffer.from(value) : value);
  for (const { name, prefix, path } of target.metadataFiles) metadata.set(name, prefix + readFileSync(path, "utf8").trim());
  return metadata;
}

function channelOptions(target: GrpcTarget, options: GrpcTransportOptions): ChannelOptions {
  const { authority, tls } = target;
  return {
    "grpc.max_receive_message_length": target.maxReceiveBytes ?? DEFAULT_MAX_RECEIVE_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": options.keepaliveMs ?? 30_000,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs ?? 10_000,
    "grpc-node.flow_control_window": FLOW_CONTROL_WINDOW,
    // Connections are not shared, calls are not repeated, and neither http_proxy nor TXT records have a say in it.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    // Without a buffer for retries a message counts as written when HTTP/2 has taken it, which is how a blocked server is noticed.
    "grpc.per_rpc_retry_buffer_size": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_channelz": 0,
    ...(authority === undefined ? {} : { "grpc.default_authority": authority }),
    ...(tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
  };
}
