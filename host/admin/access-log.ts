// The admin listener's access log (admin.access_log), one line a request in Envoy's default format.
import { createWriteStream, type WriteStream } from "node:fs";
import { formatTimestamp } from "./timestamp.ts";

export interface AdminLogEntry {
  readonly startedAtMs: number;
  readonly method: string;
  /** With its query, as it came. */
  readonly target: string;
  readonly httpVersion: string;
  readonly status: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  readonly remoteAddress: string;
  readonly userAgent: string | undefined;
  readonly requestId: string | undefined;
  readonly authority: string | undefined;
}

/** Nothing of a request can end its line or its quotes. */
function quote(value: string | undefined): string {
  if (value === undefined || value === "") return '"-"';
  let out = "";
  for (const char of value) {
    const code = char.codePointAt(0) ?? 0;
    const isPlain = code >= 0x20 && (code < 0x7f || code > 0xa0) && char !== '"';
    out += isPlain ? char : `\\x${code.toString(16).padStart(2, "0")}`;
  }
  return `"${out}"`;
}

export function formatAdminLog(entry: AdminLogEntry): string {
  const time = formatTimestamp(entry.startedAtMs);
  const request = quote(`${entry.method} ${entry.target} HTTP/${entry.httpVersion}`);
  const numbers = `${entry.status} - ${entry.bytesReceived} ${entry.bytesSent} ${Math.round(entry.durationMs)} -`;
  return `[${time}] ${request} ${numbers} ${quote(entry.remoteAddress)} ${quote(entry.userAgent)} ${quote(entry.requestId)} ${quote(entry.authority)} "-"\n`;
}

export class AdminAccessLog {
  private readonly path: string;
  private readonly onError: (error: Error) => void;
  private stream: WriteStream;

  constructor(path: string, onError: (error: Error) => void) {
    this.path = path;
    this.onError = onError;
    this.stream = this.open();
  }

  private open(): WriteStream {
    const stream = createWriteStream(this.path, { flags: "a" });
    stream.on("error", this.onError);
    return stream;
  }

  write(entry: AdminLogEntry): void {
    this.stream.write(formatAdminLog(entry));
  }

  /** After a rotation the old file is written to its end. */
  reopen(): void {
    this.stream.end();
    this.stream = this.open();
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.stream.end(() => resolve()));
  }
}
