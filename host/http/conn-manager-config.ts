// What one connection manager on one worker works with: its configuration, compiled. Made when a listener is built; route table
// and filters are replaced in place, so that a change never touches a connection, and a stream keeps what it began with.
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/system.ts";
import type { HttpConnectionManager } from "../config/listener.ts";
import type { CidrSet } from "../net/cidr.ts";
import type { ConnManagerStats } from "./conn-manager-stats.ts";
import type { RouteView, StreamFilterFactory } from "./filter.ts";
import type { HeaderMap } from "./header-map.ts";
import type { LocalReplyRewriter } from "./local-reply.ts";
import type { StreamInfo } from "./stream-info.ts";

export interface RouteTable {
  readonly name: string;
  readonly internalOnlyHeaders: readonly string[];
  match(headers: HeaderMap, info: StreamInfo, random: Random): RouteView | undefined;
}

export interface AccessLogger {
  log(info: StreamInfo): void;
}

export interface ConnManagerConfig {
  readonly config: HttpConnectionManager;
  readonly stats: ConnManagerStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly internal: CidrSet;
  readonly accessLogs: readonly AccessLogger[];
  readonly localReply: LocalReplyRewriter | undefined;
  readonly localIp: string;
  /** Replaced by ECDS. */
  filters: readonly StreamFilterFactory[];
  /** Replaced by RDS; undefined only before the first table arrived (the listener is not warm then). */
  routes: RouteTable | undefined;
  /** The listener drains: answers carry "connection: close". */
  draining: boolean;
  /** The value of the date header, made once a second. */
  date(): string;
}

/** Caches the date header's text for the second it names. */
export class DateCache {
  private readonly clock: Clock;
  private second = -1;
  private text = "";

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get(): string {
    const second = Math.floor(this.clock.now / 1000);
    if (second !== this.second) {
      this.second = second;
      this.text = new Date(this.clock.wallMs()).toUTCString();
    }
    return this.text;
  }
}
