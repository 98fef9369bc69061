// envoy.filters.listener.proxy_protocol: addresses of the client, and metadata, from a PROXY header.
import type { ProxyProtocol } from "../../config/listener-filter.ts";
import type { Counter, StatsStore } from "../../stats/store.ts";
import type { AcceptedFacts } from "../accepted-facts.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";
import { MAX_PROXY_HEADER, type ProxyHeader, readProxyHeader } from "./proxy-protocol.ts";

class VersionStats {
  readonly found: Counter;
  readonly disallowed: Counter;
  readonly error: Counter;

  constructor(store: StatsStore, prefix: string) {
    this.found = store.counter(`${prefix}found`);
    this.disallowed = store.counter(`${prefix}disallowed`);
    this.error = store.counter(`${prefix}error`);
  }
}

export class ProxyProtocolFilter implements ListenerFilter {
  readonly maxReadBytes = MAX_PROXY_HEADER;
  private readonly config: ProxyProtocol;
  private readonly versions: readonly [VersionStats, VersionStats];
  private readonly notFoundAllowed: Counter;
  private readonly notFoundDisallowed: Counter;

  constructor(config: ProxyProtocol, store: StatsStore) {
    this.config = config;
    const prefix = `proxy_proto.${config.statPrefix === "" ? "" : `${config.statPrefix}.`}`;
    this.versions = [new VersionStats(store, `${prefix}versions.v1.`), new VersionStats(store, `${prefix}versions.v2.`)];
    this.notFoundAllowed = store.counter(`${prefix}not_found_allowed`);
    this.notFoundDisallowed = store.counter(`${prefix}not_found_disallowed`);
  }

  onAccept(): ListenerFilterStatus {
    return "wait";
  }

  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus {
    const result = readProxyHeader(data);
    switch (result.kind) {
      case "more":
        return "wait";
      case "absent":
        if (this.config.allowRequestsWithoutProxyProtocol) {
          this.notFoundAllowed.inc();
          return "continue";
        }
        this.notFoundDisallowed.inc();
        return "close";
      case "invalid":
        this.versions[result.version === 1 ? 0 : 1].error.inc();
        return "close";
      case "header":
        return this.apply(result, facts);
    }
  }

  private apply(header: ProxyHeader, facts: AcceptedFacts): ListenerFilterStatus {
    const stats = this.versions[header.version - 1];
    if (this.config.disallowedVersions.includes(header.version === 1 ? "V1" : "V2")) {
      stats.disallowed.inc();
      return "close";
    }
    stats.found.inc();
    facts.consumed = header.length;
    const { addresses } = header;
    if (addresses !== undefined) {
      facts.remoteIp = addresses.sourceIp;
      facts.remotePort = addresses.sourcePort;
      if (addresses.destinationIp !== facts.localIp || addresses.destinationPort !== facts.localPort) {
        facts.localIp = addresses.destinationIp;
        facts.localPort = addresses.destinationPort;
        facts.isLocalAddressRestored = true;
      }
    }
    for (const { type, value } of header.tlvs) {
      for (const rule of this.config.rules) {
        if (rule.tlvType !== type) continue;
        const bytes = Buffer.from(value);
        facts.dynamicMetadata ??= {};
        facts.dynamicMetadata[rule.namespace] ??= {};
        facts.dynamicMetadata[rule.namespace][rule.key] = rule.encoding === "BASE64" ? bytes.toString("base64") : sanitizeUtf8(bytes);
      }
    }
    return "continue";
  }
}

/** "!" for each byte that is not UTF-8, as in Envoy. */
function sanitizeUtf8(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? text.replaceAll("\ufffd", "!") : text;
}
