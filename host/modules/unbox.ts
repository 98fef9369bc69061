// A module out of whatever it is packed in: gzip, tar, one in the other (Istio: unboxIfPossible). The limit holds for what comes out.
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { FetchError, messageOf } from "./contract.ts";
import { fileOfTar, isTar } from "./tar.ts";

const unzip = promisify(gunzip);
const magic = Buffer.from([0x00, 0x61, 0x73, 0x6d]);

/** A packing of packings that deep is not a module's. */
const maxDepth = 4;

export function isModule(bytes: Uint8Array): boolean {
  return magic.equals(bytes.subarray(0, 4));
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

export async function unboxModule(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  let inner = bytes;
  for (let depth = 0; depth < maxDepth && !isModule(inner); depth++) {
    if (isGzip(inner)) inner = await inflate(inner, maxBytes);
    else if (isTar(inner)) inner = fileOfTar(inner, undefined) ?? new Uint8Array(0);
    else break;
  }
  if (!isModule(inner)) throw new FetchError(`what was fetched is not a Wasm module: it begins with ${firstBytes(inner)}`);
  if (inner.length > maxBytes) throw new FetchError(`the module has more than the ${maxBytes} bytes that are allowed`);
  return inner;
}

export async function inflate(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  try {
    return await unzip(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
      throw new FetchError(`what was fetched unpacks to more than the ${maxBytes} bytes that are allowed`);
    throw new FetchError(`gzip: ${messageOf(error)}`);
  }
}

function firstBytes(bytes: Uint8Array): string {
  return bytes.length === 0 ? "nothing" : Buffer.from(bytes.subarray(0, 4)).toString("hex");
}
