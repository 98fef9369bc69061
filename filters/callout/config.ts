// The configuration of the callout filter, checked and encoded once.

import { ByteString, JsonValue } from "sluice/sdk";

/** What to ask, whom, and what the answers mean. */
export class CalloutConfig {
  cluster: string = "";
  authority: string = "";
  path: string = "";
  method: string = "";
  readonly timeoutMs: u32;
  readonly failureAllows: bool;
  readonly failureStatus: u32;
  /** Request headers passed to the check. */
  passed: ByteString[] = [];
  /** Headers of an allowing answer that go to the upstream. */
  upstream: ByteString[] = [];
  private allowed: i64[] = [];

  constructor(config: JsonValue) {
    config.allowOnly("cluster, authority, path, method, headers, upstreamHeaders, timeoutMs, allowStatuses, failureMode, failureStatus");
    this.cluster = config.get("cluster").string("");
    if (this.cluster.length == 0) config.get("cluster").fail("required");
    this.authority = config.get("authority").string(this.cluster);
    this.path = config.get("path").string("/");
    if (!this.path.startsWith("/")) config.get("path").fail("must start with a slash");
    this.method = config.get("method").string("GET");
    this.timeoutMs = <u32>config.get("timeoutMs").integer(500, 1, 60_000);
    const mode = config.get("failureMode").string("deny");
    if (mode != "deny" && mode != "allow") config.get("failureMode").fail('"' + mode + '" is not one of deny, allow');
    this.failureAllows = mode == "allow";
    this.failureStatus = <u32>config.get("failureStatus").integer(403, 400, 599);
    this.passed = names(config.get("headers"));
    this.upstream = names(config.get("upstreamHeaders"));
    const statuses = config.get("allowStatuses").array();
    for (let i = 0; i < statuses.length; i++) this.allowed.push(statuses[i].integer(200, 100, 599));
    if (statuses.length == 0) this.allowed.push(200);
  }

  allows(status: i64): bool {
    return this.allowed.includes(status);
  }
}

function names(config: JsonValue): ByteString[] {
  const list: ByteString[] = [];
  let item = config.firstItem();
  while (item != null) {
    const name = item.bytes().toLowerCase();
    // These belong to one message; passed on to another they would break its framing or its routing.
    if (name.length == 0 || name.at(0) == 0x3a || isFraming(name.toString())) item.failWith(name, "cannot be passed on");
    list.push(name);
    item = item.next;
  }
  return list;
}

/** Headers that describe one connection or one body. */
export function isFraming(name: string): bool {
  return (
    name == "content-length" ||
    name == "transfer-encoding" ||
    name == "connection" ||
    name == "keep-alive" ||
    name == "upgrade" ||
    name == "te" ||
    name == "trailer" ||
    name == "host" ||
    name == "proxy-connection"
  );
}
