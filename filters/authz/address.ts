// IP addresses and CIDR ranges. An address is two 64-bit halves; an IPv4 address sits in the low 32 bits and never
// equals an IPv6 one, as in Envoy's ranges.

import { ByteString } from "sluice/sdk";

/** A parsed address. */
export class Address {
  constructor(
    readonly high: u64,
    readonly low: u64,
    readonly isV6: bool,
  ) {}

  /** Parses `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; null if it is neither. */
  static parse(text: ByteString): Address | null {
    if (text.at(0) == 0x5b) {
      const end = text.indexOfByte(0x5d);
      return end < 0 ? null : parseV6(text.slice(1, end));
    }
    const colon = text.indexOfByte(0x3a);
    if (colon < 0) return parseV4(text);
    if (text.indexOfByte(0x3a, colon + 1) < 0) return parseV4(text.slice(0, colon));
    return parseV6(text);
  }
}

/** A range of addresses. */
export class CidrRange {
  private constructor(
    private base: Address,
    private bits: i32,
  ) {}

  /** Parses `10.0.0.0/8`, `fd00::/8`, or a single address; null if it is none of them. */
  static parse(text: string): CidrRange | null {
    const slash = text.indexOf("/");
    const base = Address.parse(ByteString.of(slash < 0 ? text : text.substring(0, slash)));
    // A port or brackets belong to an address of a connection, not to a range.
    if (base == null || text.includes("[") || (!base.isV6 && text.includes(":"))) return null;
    const width = base.isV6 ? 128 : 32;
    const bits = slash < 0 ? width : parseDecimal(ByteString.of(text.substring(slash + 1)), 3);
    if (bits < 0 || bits > width) return null;
    return new CidrRange(base, bits);
  }

  contains(address: Address): bool {
    const base = this.base;
    if (base.isV6 != address.isV6) return false;
    const bits = this.bits;
    if (!base.isV6) return bits == 0 || (base.low ^ address.low) >> (32 - bits) == 0;
    if (bits == 0) return true;
    if (bits <= 64) return (base.high ^ address.high) >> (64 - bits) == 0;
    return base.high == address.high && (base.low ^ address.low) >> (128 - bits) == 0;
  }
}

function parseV4(text: ByteString): Address | null {
  let value: u64 = 0;
  let from = 0;
  for (let i = 0; i < 4; i++) {
    const end = i == 3 ? text.length : text.indexOfByte(0x2e, from);
    if (end < 0) return null;
    const part = text.slice(from, end);
    const number = parseDecimal(part, 3);
    if (number < 0 || number > 255 || (part.length > 1 && part.at(0) == 0x30)) return null;
    value = (value << 8) | <u64>number;
    from = end + 1;
  }
  return new Address(0, value, false);
}

function parseV6(text: ByteString): Address | null {
  const groups = new StaticArray<u64>(8);
  let count = 0;
  let gap = -1;
  let at = 0;
  // A scope (`fe80::1%eth0`) names an interface of this machine and is no part of the address.
  const scope = text.indexOfByte(0x25);
  const end = scope < 0 ? text.length : scope;
  if (text.at(0) == 0x3a) {
    if (text.at(1) != 0x3a) return null;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    if (count == 8) return null;
    const colon = text.indexOfByte(0x3a, at);
    const stop = colon < 0 || colon > end ? end : colon;
    const part = text.slice(at, stop);
    if (part.indexOfByte(0x2e) >= 0) {
      const v4 = parseV4(part);
      if (v4 == null || stop != end || count > 6) return null;
      groups[count++] = v4.low >> 16;
      groups[count++] = v4.low & 0xffff;
      at = end;
      break;
    }
    const group = parseHex(part);
    if (group < 0) return null;
    groups[count++] = <u64>group;
    if (stop == end) {
      at = end;
      break;
    }
    at = stop + 1;
    if (at == end) return null;
    if (text.at(at) == 0x3a) {
      if (gap >= 0) return null;
      gap = count;
      at++;
    }
  }
  if (gap < 0 ? count != 8 : count > 7) return null;
  let high: u64 = 0;
  let low: u64 = 0;
  for (let i = 0; i < 8; i++) {
    let group: u64 = 0;
    if (gap < 0 || i < gap) group = groups[i];
    else if (i >= 8 - (count - gap)) group = groups[i - (8 - count)];
    if (i < 4) high = (high << 16) | group;
    else low = (low << 16) | group;
  }
  return new Address(high, low, true);
}

/** The number of 1 to `digits` decimal digits; -1 for anything else. */
export function parseDecimal(text: ByteString, digits: i32): i32 {
  if (text.length == 0 || text.length > digits) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.at(i);
    if (code < 0x30 || code > 0x39) return -1;
    value = value * 10 + code - 0x30;
  }
  return value;
}

function parseHex(text: ByteString): i32 {
  if (text.length == 0 || text.length > 4) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.at(i);
    const lower = code | 0x20;
    if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x57;
    else return -1;
  }
  return value;
}
