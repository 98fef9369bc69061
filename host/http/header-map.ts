// Headers, trailers and pseudo headers of one message: ordered, multi-valued, one shape for every stream and protocol.
// Names are lower case; values are latin1 strings, so that every byte 0x00–0xFF survives a round trip (no UTF-8 guess).
// Pseudo headers (":method", ":path", …) are entries like any other and stand in front (RFC 9113 8.3).
// Invariant: nothing here is keyed by peer data (no objects, no Map): a hostile name can neither collide nor reach a prototype.

const INLINE = new Set(
  (
    "accept accept-encoding access-control-allow-credentials access-control-allow-headers access-control-allow-methods " +
    "access-control-allow-origin access-control-allow-private-network access-control-expose-headers access-control-max-age " +
    "access-control-request-method access-control-request-private-network authorization cache-control connection content-encoding content-length content-type date expect " +
    "grpc-accept-encoding grpc-message grpc-status grpc-timeout host keep-alive location origin proxy-connection proxy-status referer server te tracestate " +
    "transfer-encoding upgrade user-agent via x-b3-traceid x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-request-id"
  ).split(" "),
);

function isInline(name: string): boolean {
  return name.charCodeAt(0) === 0x3a || name.startsWith("x-envoy-") || INLINE.has(name);
}

export class HeaderMap {
  /** Lower-case names, parallel to `values`. Read-only to everyone but this class and the codecs. */
  names: string[] = [];
  values: string[] = [];
  /**
   * Bit n: there may be a name of n characters (modulo 32). Most look-ups are for what is not there, and lengths tell most of them
   * apart without a walk over the names. Bits of names that were removed stay.
   */
  private lengths = 0;

  static from(pairs: Iterable<readonly [string, string]>): HeaderMap {
    const map = new HeaderMap();
    for (const [name, value] of pairs) map.add(name, value);
    return map;
  }

  get size(): number {
    return this.names.length;
  }

  /** Where the first entry of `name` stands, or -1. */
  indexOf(name: string): number {
    return (this.lengths & (1 << name.length)) === 0 ? -1 : this.names.indexOf(name);
  }

  /** First value of `name` (which must be lower case), or undefined. */
  get(name: string): string | undefined {
    if ((this.lengths & (1 << name.length)) === 0) return undefined;
    const names = this.names;
    for (let i = 0; i < names.length; i++) if (names[i] === name) return this.values[i];
    return undefined;
  }

  has(name: string): boolean {
    return this.indexOf(name) >= 0;
  }

  getAll(name: string): string[] {
    const found: string[] = [];
    for (let i = 0; i < this.names.length; i++) if (this.names[i] === name) found.push(this.values[i]);
    return found;
  }

  /** All values joined by "," as Envoy's matchers, RBAC and attributes see them; undefined when absent. */
  getJoined(name: string): string | undefined {
    if ((this.lengths & (1 << name.length)) === 0) return undefined;
    let joined: string | undefined;
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i] === name) joined = joined === undefined ? this.values[i] : `${joined},${this.values[i]}`;
    }
    return joined;
  }

  /** An entry at the end, whatever it is: for codecs, which see to the order themselves. */
  push(name: string, value: string): void {
    this.lengths |= 1 << name.length;
    this.names.push(name);
    this.values.push(value);
  }

  /** Appends one more value. Pseudo headers are kept in front of ordinary ones. */
  add(name: string, value: string): void {
    if (name.charCodeAt(0) === 0x3a && this.names.length > 0) {
      let at = 0;
      while (at < this.names.length && this.names[at].charCodeAt(0) === 0x3a) at++;
      this.insert(at, name, value);
      return;
    }
    this.push(name, value);
  }

  /** An entry in front of the one that stands at `at`. */
  insert(at: number, name: string, value: string): void {
    this.lengths |= 1 << name.length;
    this.names.splice(at, 0, name);
    this.values.splice(at, 0, value);
  }

  /**
   * Exactly this one value; an absent header is appended. Headers that Envoy keeps "inline" are replaced in place, others move to the
   * end: what filters and upstreams see stands in the same order in both.
   */
  set(name: string, value: string): void {
    const at = this.indexOf(name);
    if (at < 0) {
      this.add(name, value);
      return;
    }
    if (!isInline(name)) {
      this.removeFrom(name, at);
      this.names.push(name);
      this.values.push(value);
      return;
    }
    this.values[at] = value;
    if (this.names.indexOf(name, at + 1) >= 0) this.removeFrom(name, at + 1);
  }

  /** Appends ",value" to the first entry, or adds the header: how Envoy builds x-forwarded-for. */
  appendCopy(name: string, value: string, separator = ","): void {
    const at = this.indexOf(name);
    if (at < 0) this.add(name, value);
    else this.values[at] = `${this.values[at]}${separator}${value}`;
  }

  /** One more value as a filter adds it: where Envoy keeps one value only ("inline"), it goes behind the one that is there. */
  append(name: string, value: string): void {
    const at = isInline(name) ? this.indexOf(name) : -1;
    if (at < 0) this.add(name, value);
    else this.values[at] = this.values[at] === "" || value === "" ? this.values[at] + value : `${this.values[at]},${value}`;
  }

  /** Removes every value of `name`; true when there was one. */
  remove(name: string): boolean {
    const at = this.indexOf(name);
    if (at < 0) return false;
    this.removeFrom(name, at);
    return true;
  }

  private removeFrom(name: string, start: number): void {
    let kept = start;
    for (let i = start; i < this.names.length; i++) {
      if (this.names[i] === name) continue;
      this.names[kept] = this.names[i];
      this.values[kept] = this.values[i];
      kept++;
    }
    this.names.length = kept;
    this.values.length = kept;
  }

  /** Removes the entries for which `drop` says so; the number removed. */
  removeIf(drop: (name: string, value: string) => boolean): number {
    let kept = 0;
    const size = this.names.length;
    for (let i = 0; i < size; i++) {
      if (drop(this.names[i], this.values[i])) continue;
      this.names[kept] = this.names[i];
      this.values[kept] = this.values[i];
      kept++;
    }
    this.names.length = kept;
    this.values.length = kept;
    return size - kept;
  }

  clear(): void {
    this.names.length = 0;
    this.values.length = 0;
    this.lengths = 0;
  }

  clone(): HeaderMap {
    const copy = new HeaderMap();
    copy.names = this.names.slice();
    copy.values = this.values.slice();
    copy.lengths = this.lengths;
    return copy;
  }

  /** Bytes of names and values, as Envoy's HeaderMap::byteSize counts them. */
  byteSize(): number {
    let bytes = 0;
    for (let i = 0; i < this.names.length; i++) bytes += this.names[i].length + this.values[i].length;
    return bytes;
  }

  /** Copies for tests and dumps. */
  entries(): [string, string][] {
    return this.names.map((name, i) => [name, this.values[i]]);
  }
}
