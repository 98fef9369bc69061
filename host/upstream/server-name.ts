// auto_sni and auto_san_validation (upstream_http_protocol_options): connections that are for one server name each, by the host of the
// request. Clients choose the names, so what is kept for them is bounded.
import { isIP } from "node:net";
import type { UpstreamHttpOptions } from "../config/cluster.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { ANY_CONNECTION, type ConnectionKey } from "./connect.ts";

/** Names whose keys are kept, and pools of one host for names: the oldest go first. */
export const MAX_SERVER_NAMES = 256;

export class ServerNames {
  private readonly config: NonNullable<UpstreamHttpOptions["autoSni"]>;
  private readonly keys = new Map<string, ConnectionKey>();

  constructor(config: NonNullable<UpstreamHttpOptions["autoSni"]>) {
    this.config = config;
  }

  /** The same object for the same name, as long as it is kept. */
  keyFor(headers: HeaderMap): ConnectionKey {
    const { header, setsSni, validatesName } = this.config;
    const value = headers.get(header) ?? headers.get(":authority") ?? "";
    let key = this.keys.get(value);
    if (key === undefined) {
      const serverName = hostOf(value);
      key = serverName === "" ? ANY_CONNECTION : { serverName, setsSni: setsSni && isIP(serverName) === 0, validatesName, alpn: undefined };
      if (this.keys.size >= MAX_SERVER_NAMES) this.keys.clear();
      this.keys.set(value, key);
    }
    return key;
  }
}

/** Without the port; brackets of an IPv6 address go too. */
function hostOf(authority: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority);
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}
