// A request and a response of the admin API, without sockets, so that handlers are functions.

export interface AdminRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: Query;
}

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Run once the body has been handed to the system. */
  readonly afterSent?: () => void;
}

const TEXT = "text/plain; charset=UTF-8";

export function text(body: string, status = 200): AdminResponse {
  return { status, contentType: TEXT, body };
}

export function html(body: string): AdminResponse {
  return { status: 200, contentType: "text/html; charset=UTF-8", body };
}

/** Indented by one, as Envoy prints JSON. */
export function json(value: unknown, status = 200): AdminResponse {
  return { status, contentType: "application/json", body: `${JSON.stringify(value, undefined, 1)}\n` };
}

export function rawJson(body: string): AdminResponse {
  return { status: 200, contentType: "application/json", body };
}

/** A query string as Envoy reads it: percent-decoded, a plus stays a plus (it is common in regular expressions), the first value counts. */
export class Query {
  private readonly values = new Map<string, string>();

  constructor(text: string) {
    if (text === "") return;
    for (const pair of text.split("&")) {
      const equals = pair.indexOf("=");
      const key = decode(equals < 0 ? pair : pair.slice(0, equals));
      if (!this.values.has(key)) this.values.set(key, equals < 0 ? "" : decode(pair.slice(equals + 1)));
    }
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** undefined: not given, or given empty. */
  get(key: string): string | undefined {
    const value = this.values.get(key);
    return value === "" ? undefined : value;
  }

  get entries(): readonly (readonly [string, string])[] {
    return [...this.values];
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // "%zz" is taken as it is, like a browser's address bar does.
    return text;
  }
}

export function escapeHtml(raw: string): string {
  return raw.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
