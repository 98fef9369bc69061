// The little of a tar archive that a module needs: the first regular file, or the one of a name (POSIX.1-2024, pax, "ustar Interchange
// Format"). Whatever is wrong with the archive is an error; nothing is ever written to a path of it.
import { FetchError } from "./contract.ts";

const block = 512;

/** Its header begins with a name and has the magic of ustar or of GNU tar. */
export function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= block && Buffer.from(bytes.buffer, bytes.byteOffset + 257, 5).toString("latin1") === "ustar";
}

/** `wanted` undefined: the first file. undefined: there is no such file. */
export function fileOfTar(bytes: Uint8Array, wanted: string | undefined): Uint8Array | undefined {
  const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + block <= archive.length; ) {
    const header = archive.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) return undefined;
    checkSum(header);
    const size = octal(header, 124, 12);
    const start = at + block;
    if (start + size > archive.length) throw new FetchError("the tar archive is cut short");
    const type = String.fromCharCode(header[156]);
    const isFile = type === "0" || type === "\0" || type === "7";
    const name = text(header, 0, 100).replace(/^(\.?\/)+/, "");
    if (isFile && (wanted === undefined || (name === wanted && text(header, 345, 155) === "")))
      return archive.subarray(start, start + size);
    at = start + Math.ceil(size / block) * block;
  }
  return undefined;
}

function text(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

function octal(header: Buffer, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  if (!/^[0-7]+$/.test(digits)) throw new FetchError("the tar archive has a header that is not one");
  return Number.parseInt(digits, 8);
}

function checkSum(header: Buffer): void {
  let sum = 0;
  // The field of the sum itself counts as spaces.
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i];
  if (octal(header, 148, 8) !== sum) throw new FetchError("the tar archive has a header whose checksum is wrong");
}
