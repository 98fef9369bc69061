// Statistics of the TLS handshakes of a listener or a cluster: Envoy's names below "<scope>ssl.".
import type { TLSSocket } from "node:tls";
import type { Counter, StatsStore } from "../stats/store.ts";
import type { VerifyFailure } from "./tls-verify.ts";

/** Versions, ciphers and curves come from handshakes; OpenSSL knows fewer than this. */
const MAX_NAMES = 128;

/** What OpenSSL calls by other names than BoringSSL. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };

export class TlsStats {
  readonly handshake: Counter;
  readonly connectionError: Counter;
  readonly noCertificate: Counter;
  readonly sessionReused: Counter;
  private readonly failures: Readonly<Record<VerifyFailure, Counter>>;
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly named = new Map<string, Counter>();

  constructor(store: StatsStore, scope: string) {
    this.store = store;
    this.prefix = `${scope}ssl.`;
    const c = (name: string): Counter => store.counter(this.prefix + name);
    this.handshake = c("handshake");
    this.connectionError = c("connection_error");
    this.noCertificate = c("no_certificate");
    this.sessionReused = c("session_reused");
    this.failures = {
      fail_verify_error: c("fail_verify_error"),
      fail_verify_no_cert: c("fail_verify_no_cert"),
      fail_verify_san: c("fail_verify_san"),
      fail_verify_cert_hash: c("fail_verify_cert_hash"),
    };
  }

  refused(failure: VerifyFailure): void {
    this.failures[failure].inc();
  }

  completed(socket: TLSSocket, hasPeerCertificate: boolean): void {
    this.handshake.inc();
    if (socket.isSessionReused()) this.sessionReused.inc();
    if (!hasPeerCertificate) this.noCertificate.inc();
    this.count(`versions.${socket.getProtocol() ?? "unknown"}`);
    this.count(`ciphers.${socket.getCipher().name}`);
    const key = socket.getEphemeralKeyInfo();
    const curve = key !== null && "name" in key ? key.name : undefined;
    if (curve !== undefined) this.count(`curves.${CURVES[curve] ?? curve}`);
  }

  private count(name: string): void {
    let counter = this.named.get(name);
    if (counter === undefined) {
      if (this.named.size >= MAX_NAMES) return;
      counter = this.store.counter(this.prefix + name);
      this.named.set(name, counter);
    }
    counter.inc();
  }
}
