// Header map to wire (RFC 9112 3, 4, 5). Everything is written from parsed values; framing fields are written by the codec alone.
import type { HeaderMap } from "../http/header-map.ts";

/** RFC 9110 15 and the registry; an unknown status is called so, as in Envoy. */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Payload Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  510: "Not Extended",
  511: "Network Authentication Required",
  599: "Last Unassigned Server Error Code",
};

const STATUS_LINES: string[] = [];
for (const [status, reason] of Object.entries(REASONS)) STATUS_LINES[Number(status)] = `HTTP/1.1 ${status} ${reason}\r\n`;

export function statusLine(status: number): string {
  return STATUS_LINES[status] ?? `HTTP/1.1 ${status} Unknown\r\n`;
}

/** How field names are written: Envoy's header_key_format. */
export type HeaderCase = "default" | "proper_case_words";

const PROPER = new Map<string, string>();

function properCase(name: string): string {
  let proper = PROPER.get(name);
  if (proper === undefined) {
    proper = name.replace(/(^|[^a-z0-9])[a-z]/g, (c) => c.toUpperCase());
    // Bounded: names come from peers.
    if (PROPER.size < 1024) PROPER.set(name, proper);
  }
  return proper;
}

/** Field lines without pseudo headers and transfer-encoding, whose line the codec adds itself. */
export function serializeFields(headers: HeaderMap, headerCase: HeaderCase): string {
  const names = headers.names;
  const values = headers.values;
  let out = "";
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name.charCodeAt(0) === 0x3a || name === "transfer-encoding") continue;
    // Concatenation: a template would convert each part again.
    out += (headerCase === "default" ? name : properCase(name)) + ": " + values[i] + "\r\n";
  }
  return out;
}

/** What no field value may hold on the wire (RFC 9110 5.5): the last guard against a filter or an HTTP/2 peer splitting a message. */
const FORBIDDEN_VALUE = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
const FORBIDDEN_NAME = /[^!#$%&'*+.^_`|~0-9a-z-]/;

export function isValidFieldValue(value: string): boolean {
  return !FORBIDDEN_VALUE.test(value);
}

export function isValidFieldName(name: string): boolean {
  return name !== "" && !FORBIDDEN_NAME.test(name.charCodeAt(0) === 0x3a ? name.slice(1) : name);
}
