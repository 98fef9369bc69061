// The Huffman code of RFC 7541 5.2 and appendix B. The code is canonical, so the lengths are the whole table: codes of one length are
// numbered in the order of their symbols, and shorter codes come first. Decoding looks up the next 10 bits at once, which is a whole
// symbol for all of ASCII that occurs in headers; longer codes are found by their length.

/** Length of each symbol's code; symbol 256 is the end of the string. */
const LENGTHS = new Uint8Array(
  (
    "13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 " +
    "6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 " +
    "13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6 " +
    "15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 " +
    "20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 " +
    "22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 " +
    "26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27 " +
    "20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26 30"
  )
    .split(" ")
    .map(Number),
);
const END_OF_STRING = 256;
const MAX_LENGTH = 30;
const LOOKUP_BITS = 10;

const CODES = new Uint32Array(257);
/** First code of each length, and where the symbols of that length begin in SYMBOLS. */
const FIRST_CODE = new Uint32Array(MAX_LENGTH + 2);
const FIRST_SYMBOL = new Uint16Array(MAX_LENGTH + 2);
const COUNT = new Uint16Array(MAX_LENGTH + 2);
const SYMBOLS = new Uint16Array(257);
/** Next 10 bits → symbol << 4 | length; 0: the code is longer. */
const LOOKUP = new Uint16Array(1 << LOOKUP_BITS);

{
  let code = 0;
  let next = 0;
  for (let length = 5; length <= MAX_LENGTH; length++) {
    FIRST_CODE[length] = code;
    FIRST_SYMBOL[length] = next;
    for (let symbol = 0; symbol <= END_OF_STRING; symbol++) {
      if (LENGTHS[symbol] !== length) continue;
      CODES[symbol] = code;
      SYMBOLS[next++] = symbol;
      if (length <= LOOKUP_BITS) {
        const shift = LOOKUP_BITS - length;
        LOOKUP.fill((symbol << 4) | length, code << shift, (code + 1) << shift);
      }
      COUNT[length]++;
      code++;
    }
    code <<= 1;
  }
}

/** Bytes that the encoded text takes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 0xff];
  return (bits + 7) >>> 3;
}

/** Writes the encoded text at `at`; the place behind it. */
export function huffmanEncode(text: string, bytes: Uint8Array, at: number): number {
  // At most 7 bits wait when a code of up to 30 comes: too many for the 32 of an integer, so long codes go in two halves.
  let waiting = 0;
  let bits = 0;
  let to = at;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = CODES[symbol];
    let length = LENGTHS[symbol];
    if (length > 20) {
      length -= 16;
      waiting = (waiting << length) | (code >>> 16);
      bits += length;
      while (bits >= 8) {
        bits -= 8;
        bytes[to++] = waiting >>> bits;
      }
      waiting = (waiting << 16) | (code & 0xffff);
      bits += 16;
    } else {
      waiting = (waiting << length) | code;
      bits += length;
    }
    while (bits >= 8) {
      bits -= 8;
      bytes[to++] = waiting >>> bits;
    }
  }
  // The rest is filled with the beginning of the end-of-string code, which is all ones.
  if (bits > 0) bytes[to++] = (waiting << (8 - bits)) | (0xff >>> bits);
  return to;
}

let decoded = Buffer.allocUnsafeSlow(4096);

// Servers that index nothing send the same short values again and again: what was decoded is remembered by its bytes. One slot a hash,
// so a hostile peer can only miss.
const SLOTS = 256;
const SLOT_BYTES = 32;
const encodedBytes = new Uint8Array(SLOTS * SLOT_BYTES);
const encodedLength = new Uint8Array(SLOTS);
const texts = new Array<string>(SLOTS).fill("");

/** The text between `start` and `end`; undefined when it is no Huffman code (RFC 7541 5.2). */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number): string | undefined {
  const size = end - start;
  if (size > SLOT_BYTES || size < 2) return decode(bytes, start, end);
  // Three places tell most values apart: ends differ in dates and numbers.
  const slot = (size + bytes[start] * 7 + bytes[end - 1] * 31 + bytes[(start + end) >> 1] * 131 + bytes[end - 2] * 61) & (SLOTS - 1);
  const from = slot * SLOT_BYTES;
  if (encodedLength[slot] === size) {
    let i = 0;
    while (i < size && encodedBytes[from + i] === bytes[start + i]) i++;
    if (i === size) return texts[slot];
  }
  const text = decode(bytes, start, end);
  if (text !== undefined) {
    for (let i = 0; i < size; i++) encodedBytes[from + i] = bytes[start + i];
    encodedLength[slot] = size;
    texts[slot] = text;
  }
  return text;
}

function decode(bytes: Uint8Array, start: number, end: number): string | undefined {
  // The shortest code has 5 bits.
  const capacity = Math.ceil(((end - start) * 8) / 5);
  if (capacity > decoded.length) decoded = Buffer.allocUnsafeSlow(capacity * 2);
  const target = decoded;
  let to = 0;
  let waiting = 0;
  let bits = 0;
  let at = start;
  for (;;) {
    while (bits < LOOKUP_BITS && at < end) {
      waiting = (waiting << 8) | bytes[at++];
      bits += 8;
    }
    const missing = LOOKUP_BITS - bits;
    const found = LOOKUP[missing > 0 ? (waiting << missing) | ((1 << missing) - 1) : waiting >>> -missing];
    const length = found & 0xf;
    if (length !== 0 && length <= bits) {
      target[to++] = found >>> 4;
      bits -= length;
    } else if (length === 0 && bits >= LOOKUP_BITS) {
      let position = at * 8 - bits;
      const long = decodeLong(bytes, position, end * 8);
      if (long < 0) return undefined;
      target[to++] = long & 0xff;
      position += long >>> 8;
      at = position >>> 3;
      bits = -position & 7;
      if (bits > 0) waiting = bytes[at++];
    } else {
      // No whole symbol is left: padding, which is shorter than a byte and all ones.
      return bits < 8 && waiting === (1 << bits) - 1 ? target.latin1Slice(0, to) : undefined;
    }
    waiting &= (1 << bits) - 1;
  }
}

/** A code of more than 10 bits at a position counted in bits: its length << 8 | symbol, or -1. */
function decodeLong(bytes: Uint8Array, position: number, end: number): number {
  let code = 0;
  for (let length = 1; length <= MAX_LENGTH && position + length <= end; length++) {
    const at = position + length - 1;
    code = (code << 1) | ((bytes[at >>> 3] >>> (7 - (at & 7))) & 1);
    const offset = code - FIRST_CODE[length];
    if (length <= LOOKUP_BITS || offset < 0 || offset >= COUNT[length]) continue;
    const symbol = SYMBOLS[FIRST_SYMBOL[length] + offset];
    return symbol === END_OF_STRING ? -1 : (length << 8) | symbol;
  }
  return -1;
}
