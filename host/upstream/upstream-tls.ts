// TLS to the hosts of a cluster on one worker: the context in force, sessions, and handshakes with it (Envoy: UpstreamTlsContext). A
// session is used again only for the host and name that it was made with, and ends with the context that verified its peer.
import { isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { UpstreamTlsContext } from "../config/transport-socket.ts";
import type { Certificate } from "../net/certificate.ts";
import { TlsReader } from "../net/socket-reader.ts";
import {
  isSameMaterial,
  leafOf,
  makeVerifier,
  resolveMaterial,
  type Secrets,
  secureContextOptions,
  type TlsMaterial,
} from "../net/tls-context.ts";
import { tlsErrorText, verifyErrorText } from "../net/tls-errors.ts";
import { TlsInfo } from "../net/tls-info.ts";
import { TlsStats } from "../net/tls-stats.ts";
import type { PeerVerifier, Verdict } from "../net/tls-verify.ts";
import type { Counter, StatsStore } from "../stats/store.ts";

interface ClientContext {
  readonly secureContext: SecureContext;
  readonly verifier: PeerVerifier;
  readonly leaf: Certificate | undefined;
  /** By host and name; the oldest leaves first. */
  readonly sessions: Map<string, KnownSession>;
}

/** A session, and whom it was made with: what is resumed shows no certificate again. */
interface KnownSession {
  readonly session: Buffer;
  readonly verdict: Verdict;
}

/** What a handshake needs to know of the connection that it is for. */
/** What the user of the connection speaks: it stands in for alpn_protocols, or overrides them. */
export interface Alpn {
  readonly protocols: readonly string[];
  readonly overrides: boolean;
}

export interface TlsTarget {
  /** "ip:port" or a path. */
  readonly address: string;
  /** Of the endpoint, "" without. */
  readonly hostname: string;
  /** What the request asks for (auto_sni), "" without; goes before the configured name. */
  readonly serverName: string;
  readonly setsSni: boolean;
  /** auto_san_validation: the certificate must be for `serverName`. */
  readonly validatesName: boolean;
  readonly alpn: Alpn;
}

export class UpstreamTls {
  private readonly config: UpstreamTlsContext;
  private readonly stats: TlsStats;
  private readonly updates: Counter;
  private readonly notReady: Counter;
  private readonly nowMs: () => number;
  private material: TlsMaterial | undefined = undefined;
  private context: ClientContext | undefined = undefined;

  constructor(config: UpstreamTlsContext, store: StatsStore, clusterPrefix: string, nowMs: () => number) {
    this.config = config;
    this.stats = new TlsStats(store, clusterPrefix);
    this.updates = store.counter(`${clusterPrefix}client_ssl_socket_factory.ssl_context_update_by_sds`);
    this.notReady = store.counter(`${clusterPrefix}client_ssl_socket_factory.upstream_context_secrets_not_ready`);
    this.nowMs = nowMs;
  }

  update(secrets: Secrets): void {
    const material = resolveMaterial(this.config.common, secrets);
    if (material === undefined || (this.material !== undefined && isSameMaterial(material, this.material))) return;
    if (this.material !== undefined) this.updates.inc();
    this.material = material;
    const [certificate] = material.certificates;
    this.context = {
      secureContext: createSecureContext(secureContextOptions(this.config.common, material.validation, material.certificates)),
      verifier: makeVerifier(material),
      leaf: certificate === undefined ? undefined : leafOf(certificate),
      sessions: new Map(),
    };
  }

  /** Wraps a socket that connects; `onSecure` comes when the peer is verified, and else the socket ends with an error. */
  wrap(carrier: Socket, target: TlsTarget, onSecure: (info: TlsInfo) => void): TlsReader {
    const { context, config } = this;
    const serverName = target.setsSni ? target.serverName : config.autoHostSni && target.hostname !== "" ? target.hostname : config.sni;
    const validated = target.validatesName ? target.serverName : config.autoSniSanValidation ? serverName : "";
    const key = JSON.stringify([target.address, serverName, validated]);
    const { alpnProtocols: configured } = config.common;
    const alpnProtocols = target.alpn.overrides || configured.length === 0 ? target.alpn.protocols : configured;
    const known = context?.sessions.get(key);
    // TLS 1.3 says of its tickets that each is for one connection.
    if (known !== undefined) context?.sessions.delete(key);
    const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      socket: carrier,
      allowHalfOpen: true,
      ...(context === undefined ? {} : { secureContext: context.secureContext }),
      ...(serverName === "" || isIP(serverName) !== 0 ? {} : { servername: serverName }),
      ...(alpnProtocols.length === 0 ? {} : { ALPNProtocols: [...alpnProtocols] }),
      ...(known === undefined ? {} : { session: known.session }),
      // Who the peer is, is judged in onHandshake, by what the configuration asks for and nothing else.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    };
    const socket = connect(options);
    if (context === undefined) {
      this.notReady.inc();
      socket.destroy(failure("secrets of the TLS context are not there yet"));
      return new TlsReader(socket, carrier);
    }
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith("ERR_SSL_") === true) this.stats.connectionError.inc();
    });
    const reader = new TlsReader(socket, carrier);
    const handshake: Handshake = {
      socket,
      context,
      reader,
      onSecure,
      key,
      known,
      validated,
      session: undefined,
      verdict: undefined,
    };
    if (config.maxSessionKeys > 0) {
      socket.on("session", (made: Buffer) => {
        handshake.session = made;
        this.keepSession(handshake);
      });
    }
    socket.once("secureConnect", () => this.onHandshake(handshake));
    return reader;
  }

  private onHandshake(handshake: Handshake): void {
    const { socket, context, known } = handshake;
    const isResumed = known !== undefined && socket.isSessionReused();
    const verdict = isResumed ? this.again(known.verdict) : this.verify(handshake);
    if (verdict.failure !== undefined) {
      this.stats.refused(verdict.failure);
      socket.destroy(failure(verifyErrorText(verdict.reason)));
      return;
    }
    handshake.verdict = verdict;
    this.keepSession(handshake);
    this.stats.completed(socket, verdict.peer !== undefined);
    handshake.onSecure(new TlsInfo(socket, verdict.peer, verdict.isValidated, context.leaf));
    handshake.reader.start();
  }

  private verify({ socket, context, validated }: Handshake): Verdict {
    const { verifier } = context;
    if (verifier.isActive || validated !== "") return verifier.verify(socket, true, this.nowMs(), validated);
    return { failure: undefined, reason: "", peer: verifier.read(socket), isValidated: false };
  }

  /** The same context has verified the same peer under the same name; only time has passed. */
  private again(verdict: Verdict): Verdict {
    const isExpired = verdict.isValidated && (verdict.peer?.certificate.notAfterMs ?? 0) < this.nowMs();
    return isExpired ? { failure: "fail_verify_error", reason: "certificate has expired", peer: undefined, isValidated: false } : verdict;
  }

  /** Only once both are there: the session, and the verdict on who it was made with. TLS 1.3 sends sessions later, 1.2 before. */
  private keepSession({ context, key, session, verdict }: Handshake): void {
    if (session === undefined || verdict === undefined) return;
    const { sessions } = context;
    sessions.delete(key);
    sessions.set(key, { session, verdict });
    for (const oldest of sessions.keys()) {
      if (sessions.size <= this.config.maxSessionKeys) break;
      sessions.delete(oldest);
    }
  }
}

/** One handshake in progress, and afterwards what its sessions need. */
interface Handshake {
  readonly socket: TLSSocket;
  readonly context: ClientContext;
  readonly reader: TlsReader;
  readonly onSecure: (info: TlsInfo) => void;
  readonly key: string;
  readonly known: KnownSession | undefined;
  /** The name that the certificate must be for; "": none. */
  readonly validated: string;
  session: Buffer | undefined;
  verdict: Verdict | undefined;
}

function failure(text: string): Error {
  const reason = text.startsWith("TLS_error") ? text : tlsErrorText("CONTEXT_NOT_READY", text);
  return Object.assign(new Error(reason), { code: reason });
}
