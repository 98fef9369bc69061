// The bytes of discovery streams over gRPC, by @grpc/grpc-js with messages left as bytes. The library keeps the connection, pings it,
// and takes a GOAWAY for what it is; the stream's own life is in client.ts.
import type * as Grpc from "@grpc/grpc-js";
import { readFileSync } from "node:fs";
import type { XdsCall, XdsCallHandlers, XdsTransport } from "./client.ts";

/** A response may be as large as this: that of ten thousand clusters has some ten megabytes. */
export const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** istiod refuses pings that come more often than each 15 s. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

export interface GrpcTarget {
  /** host:port, or unix:/path; as gRPC names targets. */
  readonly address: string;
  /** undefined: plaintext. */
  readonly tls: GrpcTargetTls | undefined;
  /** ":authority"; "" is the address's. */
  readonly authority: string;
  readonly metadata: readonly (readonly [name: string, value: string])[];
  /** A file whose content is a bearer token, read anew for each stream; undefined: none. */
  readonly tokenFile: string | undefined;
  readonly maxReceiveBytes: number;
}

export interface GrpcTargetTls {
  readonly rootCerts: Buffer | undefined;
  readonly privateKey: Buffer | undefined;
  readonly certChain: Buffer | undefined;
  /** Which name the certificate must have; "" is the address's. */
  readonly serverName: string;
}

const asIs = (bytes: Buffer): Buffer => bytes;

export class GrpcTransport implements XdsTransport {
  readonly #grpc: typeof Grpc;
  readonly #target: GrpcTarget;
  readonly #method: string;
  readonly #client: Grpc.Client;

  /** `method`: /package.Service/Method, streaming both ways. */
  constructor(grpc: typeof Grpc, target: GrpcTarget, method: string) {
    this.#grpc = grpc;
    this.#target = target;
    this.#method = method;
    this.#client = new grpc.Client(target.address, credentialsOf(grpc, target.tls), {
      "grpc.max_receive_message_length": target.maxReceiveBytes,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      // The stream has a back-off of its own, which starts anew; the connection is not to wait longer than that.
      "grpc.initial_reconnect_backoff_ms": 500,
      "grpc.max_reconnect_backoff_ms": 5000,
      // A subchannel of its own: others with the same target do not share its back-off.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.service_config_disable_resolution": 1,
      ...(target.authority === "" ? {} : { "grpc.default_authority": target.authority }),
      ...(target.tls === undefined || target.tls.serverName === "" ? {} : { "grpc.ssl_target_name_override": target.tls.serverName }),
    });
  }

  open(handlers: XdsCallHandlers): XdsCall {
    const metadata = new this.#grpc.Metadata();
    for (const [name, value] of this.#target.metadata) metadata.add(name, value);
    const { tokenFile } = this.#target;
    let isOver = false;
    const end = (error: string): void => {
      if (isOver) return;
      isOver = true;
      handlers.onEnd(error);
    };
    if (tokenFile !== undefined) {
      try {
        metadata.set("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
      } catch (error) {
        // Like any other failure to open: at once, but not before the caller has the call.
        setImmediate(end, `token: ${error instanceof Error ? error.message : String(error)}`);
        return { send: () => false, cancel: () => {} };
      }
    }
    const call = this.#client.makeBidiStreamRequest(this.#method, asIs, asIs, metadata);
    call.on("data", (bytes: Buffer) => handlers.onMessage(bytes));
    call.on("drain", () => handlers.onDrain());
    // Always comes, after an error too.
    call.on("status", ({ code, details }) => end(code === this.#grpc.status.OK ? "" : `${this.#grpc.status[code]}: ${details}`));
    call.on("error", (error: Grpc.ServiceError) => end(`${this.#grpc.status[error.code]}: ${error.details}`));
    return { send: (bytes) => call.write(bytes), cancel: () => call.cancel() };
  }

  close(): void {
    this.#client.close();
  }
}

function credentialsOf(grpc: typeof Grpc, tls: GrpcTargetTls | undefined): Grpc.ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(tls.rootCerts ?? null, tls.privateKey ?? null, tls.certChain ?? null);
}
