// TLS of one filter chain on one worker: the context in force, and handshakes with it (Envoy: DownstreamTlsContext). A handshake that
// fails is counted under Envoy's names and leaves nothing behind; one that succeeds gives a verified connection.
import type { Socket } from "node:net";
import { TLSSocket, type TLSSocketOptions } from "node:tls";
import type { DownstreamTlsContext } from "../config/transport-socket.ts";
import type { Counter, StatsStore } from "../stats/store.ts";
import { TlsReader } from "./socket-reader.ts";
import {
  isSameMaterial,
  type NamedContext,
  resolveMaterial,
  type Secrets,
  ServerTlsContext,
  shownLeaf,
  type TlsMaterial,
} from "./tls-context.ts";
import { TlsInfo } from "./tls-info.ts";
import { TlsStats } from "./tls-stats.ts";
import { NO_PEER } from "./tls-verify.ts";

/** Who waits for a handshake; one of both is called, once. */
export interface HandshakeCallbacks {
  onSecure(reader: TlsReader, info: TlsInfo): void;
  /** `error` is the socket's code ("ECONNRESET"), or "" for an end without one. */
  onHandshakeFailed(): void;
}

export class DownstreamTls {
  private readonly config: DownstreamTlsContext;
  private readonly stats: TlsStats;
  private readonly updates: Counter;
  private readonly notReady: Counter;
  private readonly nowMs: () => number;
  private material: TlsMaterial | undefined = undefined;
  private context: ServerTlsContext | undefined = undefined;

  constructor(config: DownstreamTlsContext, store: StatsStore, listenerPrefix: string, nowMs: () => number) {
    this.config = config;
    this.stats = new TlsStats(store, listenerPrefix);
    this.updates = store.counter(`${listenerPrefix}server_ssl_socket_factory.ssl_context_update_by_sds`);
    this.notReady = store.counter(`${listenerPrefix}server_ssl_socket_factory.downstream_context_secrets_not_ready`);
    this.nowMs = nowMs;
  }

  /** Takes over secrets; connections that exist are not touched. A secret that went away leaves its last version in force. */
  update(secrets: Secrets): void {
    const material = resolveMaterial(this.config.common, secrets);
    if (material === undefined || (this.material !== undefined && isSameMaterial(material, this.material))) return;
    if (this.material !== undefined) this.updates.inc();
    this.material = material;
    this.context = new ServerTlsContext(this.config, material);
  }

  /** Whether accept() must be told the name that the client gives. */
  get choosesByName(): boolean {
    return this.context?.choosesByName === true;
  }

  /** Starts the handshake on an accepted socket; bytes that were read from it already stand in its own buffer. */
  accept(socket: Socket, serverName: string, callbacks: HandshakeCallbacks): TLSSocket | undefined {
    const context = this.context;
    if (context === undefined) {
      // Secrets did not come within the initial fetch timeout: Envoy closes such connections too.
      this.notReady.inc();
      return undefined;
    }
    const { alpnProtocols } = this.config.common;
    const chosen = context.choose(serverName);
    const options: TLSSocketOptions = {
      isServer: true,
      secureContext: chosen.secureContext,
      requestCert: context.requestsCertificate,
      // OpenSSL then refuses a client without a certificate by itself; a wrong certificate is refused below.
      rejectUnauthorized: context.requestsCertificate && this.config.requireClientCertificate,
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
    };
    const secure = new TLSSocket(socket, options);
    new Handshake(secure, socket, context, chosen, this.config, this.stats, this.nowMs, callbacks);
    return secure;
  }
}

class Handshake {
  private readonly secure: TLSSocket;
  private readonly carrier: Socket;
  private readonly context: ServerTlsContext;
  private readonly chosen: NamedContext;
  private readonly config: DownstreamTlsContext;
  private readonly stats: TlsStats;
  private readonly nowMs: () => number;
  private readonly callbacks: HandshakeCallbacks;
  private isOver = false;

  constructor(
    secure: TLSSocket,
    carrier: Socket,
    context: ServerTlsContext,
    chosen: NamedContext,
    config: DownstreamTlsContext,
    stats: TlsStats,
    nowMs: () => number,
    callbacks: HandshakeCallbacks,
  ) {
    this.secure = secure;
    this.carrier = carrier;
    this.context = context;
    this.chosen = chosen;
    this.config = config;
    this.stats = stats;
    this.nowMs = nowMs;
    this.callbacks = callbacks;
    secure.on("error", this.onError);
    secure.on("_tlsError", this.onError);
    carrier.on("error", this.onError);
    secure.on("close", this.onClose);
    secure.on("secure", this.onSecure);
  }

  private readonly onSecure = (): void => {
    if (this.isOver) return;
    const { secure, context, config } = this;
    const verdict = context.requestsCertificate ? context.verifier.verify(secure, config.requireClientCertificate, this.nowMs()) : NO_PEER;
    const serverName = (secure as TLSSocket & { readonly servername?: string | false }).servername || "";
    if (verdict.failure !== undefined || (config.requireSni && serverName === "")) {
      if (verdict.failure === undefined) this.stats.connectionError.inc();
      else this.stats.refused(verdict.failure);
      this.fail();
      return;
    }
    this.isOver = true;
    this.stats.completed(secure, verdict.peer !== undefined);
    secure.off("close", this.onClose);
    const info = new TlsInfo(secure, verdict.peer, verdict.isValidated, shownLeaf(this.chosen, secure));
    this.callbacks.onSecure(new TlsReader(secure, this.carrier), info);
  };

  private readonly onError = (error: NodeJS.ErrnoException): void => {
    if (this.isOver) return;
    if (error.code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") this.stats.refused("fail_verify_no_cert");
    // A peer that just goes away has made no error of TLS.
    else if (error.code?.startsWith("ERR_SSL_") === true) this.stats.connectionError.inc();
    this.fail();
  };

  private readonly onClose = (): void => {
    if (!this.isOver) this.fail();
  };

  private fail(): void {
    this.isOver = true;
    this.secure.destroy();
    this.carrier.destroy();
    this.callbacks.onHandshakeFailed();
  }
}
