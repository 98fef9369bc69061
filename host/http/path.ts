// Path rules of the connection manager, applied once before anything matches on the path; what policy sees is what is forwarded.
// Envoy: normalize_path (RFC 3986 6.2.2), merge_slashes, path_with_escaped_slashes_action. All leave the query string alone.

/** RFC 3986 2.3 unreserved: their escapes are decoded by normalisation. */
const UNRESERVED = /[A-Za-z0-9\-._~]/;

function splitQuery(path: string): [string, string] {
  const at = path.indexOf("?");
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at)];
}

/** The normalised path, or undefined when it cannot be (no leading slash, escaped NUL, truncated escape). */
export function normalizePath(path: string): string | undefined {
  if (path.charCodeAt(0) !== 0x2f) return undefined;
  // The usual path needs nothing.
  if (!path.includes("/.") && !path.includes("%") && !path.includes("\\")) return path;
  const [raw, query] = splitQuery(path);
  let text = raw.includes("\\") ? raw.replaceAll("\\", "/") : raw;
  if (text.includes("%")) {
    if (/%(?![0-9A-Fa-f]{2})|%00/.test(text)) return undefined;
    text = text.replace(/%[0-9A-Fa-f]{2}/g, (escaped) => {
      const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
      return UNRESERVED.test(char) ? char : escaped;
    });
  }
  return text.includes("/.") ? removeDotSegments(text) + query : text + query;
}

/** RFC 3986 5.2.4 for an absolute path. */
function removeDotSegments(path: string): string {
  const segments = path.split("/");
  const kept: string[] = [""];
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i];
    const last = i === segments.length - 1;
    if (segment === ".") {
      if (last) kept.push("");
    } else if (segment === "..") {
      if (kept.length > 1) kept.pop();
      if (last) kept.push("");
    } else kept.push(segment);
  }
  return kept.length === 1 ? "/" : kept.join("/");
}

export function mergeSlashes(path: string): string {
  if (!path.includes("//")) return path;
  const [raw, query] = splitQuery(path);
  return raw.replace(/\/{2,}/g, "/") + query;
}

const ESCAPED_SLASH = /%2f|%5c/i;

export function hasEscapedSlash(path: string): boolean {
  if (!path.includes("%")) return false;
  return ESCAPED_SLASH.test(splitQuery(path)[0]);
}

export function unescapeSlashes(path: string): string {
  const [raw, query] = splitQuery(path);
  return raw.replace(/%2f/gi, "/").replace(/%5c/gi, "\\") + query;
}
