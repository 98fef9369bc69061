// The pair encoding of the ABI: u32 count, then (u32 key length, u32 value length) for each pair, then key NUL value NUL for
// each. Pure functions on byte buffers; memory.ts hands in guest memory, property.ts ordinary arrays.

/** Lower-case names and latin1 values, parallel. */
export interface DecodedPairs {
  names: string[];
  values: string[];
}

export const PairsError = { Malformed: 1, TooLarge: 2 } as const;
export type PairsError = (typeof PairsError)[keyof typeof PairsError];

export function pairsSize(names: readonly string[], values: readonly string[]): number {
  let size = 4 + names.length * 10;
  for (let i = 0; i < names.length; i++) size += names[i].length + values[i].length;
  return size;
}

/** Writes pairsSize() bytes at `at`; the caller has made sure that they fit. */
export function encodePairs(buf: Buffer, at: number, names: readonly string[], values: readonly string[]): void {
  const count = names.length;
  writeU32(buf, at, count);
  let lengths = at + 4;
  let data = lengths + count * 8;
  for (let i = 0; i < count; i++) {
    const name = names[i];
    const value = values[i];
    writeU32(buf, lengths, name.length);
    writeU32(buf, lengths + 4, value.length);
    lengths += 8;
    data = writeText(buf, data, name);
    buf[data++] = 0;
    data = writeText(buf, data, value);
    buf[data++] = 0;
  }
}

function writeU32(buf: Buffer, at: number, value: number): void {
  buf[at] = value;
  buf[at + 1] = value >>> 8;
  buf[at + 2] = value >>> 16;
  buf[at + 3] = value >>> 24;
}

/** A character loop beats the native call below some twenty characters. */
function writeText(buf: Buffer, at: number, text: string): number {
  const len = text.length;
  if (len > 20) buf.latin1Write(text, at, len);
  else for (let i = 0; i < len; i++) buf[at + i] = text.charCodeAt(i);
  return at + len;
}

function readU32(buf: Uint8Array, at: number): number {
  return (buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24)) >>> 0;
}

/**
 * Strict, as cpp-host: every NUL in place and the last byte the end of the buffer. The empty list may come as nothing, as
 * one zero byte or as a zero count (all three occur in guests). Names come back in lower case, as Envoy stores them.
 */
export function decodePairs(buf: Buffer, start: number, len: number, maxBytes: number, maxPairs: number): DecodedPairs | PairsError {
  if (len > maxBytes) return PairsError.TooLarge;
  const names: string[] = [];
  const values: string[] = [];
  const pairs = { names, values };
  if (len === 0 || (len === 1 && buf[start] === 0)) return pairs;
  if (len < 4) return PairsError.Malformed;
  const count = readU32(buf, start);
  const end = start + len;
  let lengths = start + 4;
  let data = lengths + count * 8;
  if (data > end) return PairsError.Malformed;
  if (count > maxPairs) return PairsError.TooLarge;
  for (let i = 0; i < count; i++) {
    const nameLen = readU32(buf, lengths);
    const valueLen = readU32(buf, lengths + 4);
    lengths += 8;
    // Sums of u32 values are exact in doubles, so that nothing wraps here.
    const valueAt = data + nameLen + 1;
    const next = valueAt + valueLen + 1;
    if (next > end || buf[valueAt - 1] !== 0 || buf[next - 1] !== 0) return PairsError.Malformed;
    names.push(buf.latin1Slice(data, valueAt - 1).toLowerCase());
    values.push(buf.latin1Slice(valueAt, next - 1));
    data = next;
  }
  return data === end ? pairs : PairsError.Malformed;
}
