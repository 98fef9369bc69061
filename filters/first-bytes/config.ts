// The configuration of the first-bytes filter: what a connection may begin with, and where it goes then.

import { ByteString, JsonValue } from "sluice/sdk";

/** A beginning and its cluster. */
export class Route {
  constructor(
    readonly prefix: ByteString,
    readonly cluster: ByteString,
  ) {}
}

export class FirstBytesConfig {
  routes: Route[] = [];
  /** For connections that begin otherwise; empty leaves the choice to the TCP proxy. */
  fallback: ByteString = ByteString.EMPTY;
  /** Close them instead. */
  closesUnknown: bool = false;
  /** So many bytes decide in every case. */
  longest: i32 = 0;

  constructor(config: JsonValue) {
    config.allowOnly("routes, defaultCluster, closeUnknown");
    let item = config.get("routes").firstItem();
    if (item == null) config.get("routes").fail("required");
    while (item != null) {
      item.allowOnly("prefix, cluster");
      const prefix = item.get("prefix").bytes();
      const cluster = item.get("cluster").bytes();
      if (prefix.length == 0) item.get("prefix").fail("required");
      if (cluster.length == 0) item.get("cluster").fail("required");
      if (prefix.length > MAX_PREFIX) item.get("prefix").fail("longer than 64 bytes");
      if (prefix.length > this.longest) this.longest = prefix.length;
      this.routes.push(new Route(prefix, cluster));
      item = item.next;
    }
    this.fallback = config.get("defaultCluster").bytes();
    this.closesUnknown = config.get("closeUnknown").bool(false);
    if (this.closesUnknown && this.fallback.length > 0) config.get("closeUnknown").fail("and defaultCluster exclude each other");
  }

  /** The route of the first bytes; null if none fits. */
  find(bytes: ByteString): Route | null {
    for (let i = 0; i < this.routes.length; i++) if (bytes.startsWith(this.routes[i].prefix)) return this.routes[i];
    return null;
  }

  /** Whether more bytes could still make a route fit, of which these are the beginning. */
  mayFit(bytes: ByteString): bool {
    for (let i = 0; i < this.routes.length; i++) if (this.routes[i].prefix.startsWith(bytes)) return true;
    return false;
  }
}

const MAX_PREFIX: i32 = 64;
