// What the wasm groups share: requests that carry a program for the probe module, and answers and bodies in chunks. Chunked, because
// the end of such a body is an event of its own in both proxies; the end of a body with a length is one in Envoy only.
import { get } from "../config.ts";
import type { ParityRequest } from "../harness.ts";

export const CHUNKED_OK = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-up: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/** A GET whose program for the plugin "probe" is `program`. */
export function run(program: string, path = "/up", ...lines: readonly string[]): ParityRequest {
  return get(path, `x-do-probe: ${program}`, ...lines);
}

/** A POST whose chunks come one by one. */
export function chunks(headers: readonly string[], pieces: readonly string[], path = "/up", trailers = ""): ParityRequest {
  return {
    raw: `POST ${path} HTTP/1.1\r\n${["host: a.example", "transfer-encoding: chunked", ...headers].join("\r\n")}\r\n\r\n`,
    later: [...pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`), `0\r\n${trailers}\r\n`],
  };
}

/** The same with a program for "probe"; one chunk unless told otherwise. */
export function send(program: string, pieces: readonly string[] = ["abcdef"], path = "/up", trailers = ""): ParityRequest {
  return chunks([`x-do-probe: ${program}`], pieces, path, trailers);
}
