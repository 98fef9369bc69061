// What policies look at. An attribute is fetched from the host at most once a request, and only when a condition that is
// reached needs it. All of them are shared by the policies that name them, so a header used by ten rules is one host call.

import { ByteString, HeaderList, Property, requestHeaders } from "sluice/sdk";
import { Address } from "./address";

/** An attribute of the current request, with zero, one or several values. */
export abstract class Attribute {
  private fetched: bool = false;
  /** Values of the current request; valid after `values()`. */
  protected found: ByteString[] = [];

  constructor(
    /** Name under which policies share the attribute. */
    readonly key: string,
  ) {}

  /** Forgets the values; called once a request. */
  reset(): void {
    this.fetched = false;
    this.found.length = 0;
  }

  /** The values; none if the attribute is absent. The first call of a request costs 1 host call, at most 2. */
  values(): ByteString[] {
    if (!this.fetched) {
      this.fetched = true;
      this.fetch();
    }
    return this.found;
  }

  protected abstract fetch(): void;
}

/** The copy of all request headers, made when a header's values cannot be told apart otherwise. */
let allHeaders: HeaderList | null = null;

/** Forgets the copy; called once a request. */
export function resetHeaders(): void {
  allHeaders = null;
}

/**
 * A request header. Envoy's RBAC filter matches each value of a repeated header on its own, so `x: a` and `x: b` are two
 * values, while `x: a,b` is one. The host's property has them joined by commas; only if there is a comma is the whole
 * map fetched to see which of the two it was.
 */
export class HeaderAttribute extends Attribute {
  private name: ByteString;
  private joined: Property;

  constructor(key: string, name: string) {
    super(key);
    this.name = ByteString.of(name);
    this.joined = new Property(["request", "headers", name]);
  }

  protected override fetch(): void {
    if (this.name.at(0) == 0x3a) {
      const value = requestHeaders.getBytes(this.name);
      if (value != null) this.found.push(value);
      return;
    }
    const joined = this.joined.bytes();
    if (joined != null && joined.length > 0 && joined.indexOfByte(0x2c) < 0) {
      this.found.push(joined);
      return;
    }
    // Without the property the header is absent or empty, or the host does not know such properties: only then, and for a
    // comma, are all headers looked at, because the first value alone could hide another.
    if ((joined == null || joined.length == 0) && requestHeaders.getBytes(this.name) == null) return;
    let all = allHeaders;
    if (all == null) {
      all = requestHeaders.list();
      allHeaders = all;
    }
    for (let i = 0; i < all.count; i++) {
      if (all.nameAt(i).equals(this.name)) this.found.push(all.valueAt(i));
    }
  }
}

/** The path without query and fragment, which is what Envoy matches paths against. */
export class PathAttribute extends Attribute {
  private name: ByteString = ByteString.of(":path");

  protected override fetch(): void {
    const path = requestHeaders.getBytes(this.name);
    if (path == null) return;
    let end = path.indexOfByte(0x3f);
    if (end < 0) end = path.length;
    const fragment = path.indexOfByte(0x23);
    this.found.push(path.slice(0, fragment >= 0 && fragment < end ? fragment : end));
  }
}

/** A text property, such as the peer's identity. */
export class TextAttribute extends Attribute {
  private property: Property;

  constructor(key: string, segments: string[]) {
    super(key);
    this.property = new Property(segments);
  }

  protected override fetch(): void {
    const value = this.property.bytes();
    if (value != null) this.found.push(value);
  }
}

/** A claim of the verified token, a text or a list of texts, as the host's token check left it in the metadata. */
export class ClaimAttribute extends Attribute {
  private property: Property;

  constructor(key: string, claim: string[]) {
    super(key);
    const path = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];
    this.property = new Property(path.concat(claim));
  }

  protected override fetch(): void {
    const value = this.property.bytes();
    if (value == null) return;
    const list = HeaderList.decode(value.toBuffer());
    // A list arrives as pairs whose names are the items. A text that happens to start like one does not end like one.
    if (list.count == 0 || list.encode().byteLength != value.length) this.found.push(value);
    else for (let i = 0; i < list.count; i++) this.found.push(list.nameAt(i));
  }
}

/** An address property of the form `ip:port`. */
export class AddressAttribute extends TextAttribute {
  private parsed: Address | null = null;
  private isParsed: bool = false;

  override reset(): void {
    super.reset();
    this.isParsed = false;
  }

  /** The IP address; null if the peer has none. */
  address(): Address | null {
    if (!this.isParsed) {
      this.isParsed = true;
      const values = this.values();
      this.parsed = values.length == 0 ? null : Address.parse(values[0]);
    }
    return this.parsed;
  }
}

/** The local port of the connection. */
export class PortAttribute extends Attribute {
  private property: Property = new Property(["destination", "port"]);
  /** The port; 0 if there is none. */
  port: i64 = 0;

  protected override fetch(): void {
    this.port = this.property.integer();
  }
}
