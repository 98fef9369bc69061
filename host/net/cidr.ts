// IP addresses and CIDR ranges, parsed once and compared as numbers.
import { isIP } from "node:net";

/** 4, 6, or 0 for "no IP address". */
export function ipFamily(text: string): number {
  return isIP(text);
}

interface Range {
  readonly family: 4 | 6;
  readonly address: bigint;
  readonly shift: bigint;
}

function parseIp(text: string): { family: 4 | 6; value: bigint } | undefined {
  const family = isIP(text);
  if (family === 4) {
    let value = 0n;
    for (const part of text.split(".")) value = (value << 8n) | BigInt(part);
    return { family, value };
  }
  if (family !== 6) return undefined;
  const bare = text.split("%")[0];
  const [head, tail] = bare.split("::");
  const groups = (side: string | undefined): bigint[] => {
    if (side === undefined || side === "") return [];
    const out: bigint[] = [];
    for (const group of side.split(":")) {
      if (group.includes(".")) {
        const v4 = parseIp(group)?.value ?? 0n;
        out.push(v4 >> 16n, v4 & 0xffffn);
      } else out.push(BigInt(`0x${group}`));
    }
    return out;
  };
  const left = groups(head);
  const right = groups(tail);
  const middle = tail === undefined ? 0 : 8 - left.length - right.length;
  let value = 0n;
  for (const group of [...left, ...new Array<bigint>(middle).fill(0n), ...right]) value = (value << 16n) | group;
  // An IPv4-mapped address is its IPv4 address: a dual-stack socket shows clients that way.
  if (value >> 32n === 0xffffn) return { family: 4, value: value & 0xffffffffn };
  return { family, value };
}

function parseCidr(text: string): Range | undefined {
  const [ip, prefix, ...rest] = text.split("/");
  const parsed = parseIp(ip);
  if (parsed === undefined || rest.length > 0) return undefined;
  const bits = parsed.family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (length < 0 || length > bits) return undefined;
  const shift = BigInt(bits - length);
  return { family: parsed.family, address: parsed.value >> shift, shift };
}

export class CidrSet {
  private readonly ranges: readonly Range[];

  /** Throws on an entry that is no CIDR range; a bare address counts as a full-length prefix. */
  constructor(cidrs: readonly string[]) {
    this.ranges = cidrs.map((cidr) => {
      const range = parseCidr(cidr);
      if (range === undefined) throw new Error(`"${cidr}" is not a CIDR range`);
      return range;
    });
  }

  get empty(): boolean {
    return this.ranges.length === 0;
  }

  contains(ip: string): boolean {
    if (this.ranges.length === 0) return false;
    const parsed = parseIp(ip);
    if (parsed === undefined) return false;
    return this.ranges.some((range) => range.family === parsed.family && parsed.value >> range.shift === range.address);
  }
}
