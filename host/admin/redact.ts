// Secrets out of everything that is shown ("[redacted]"). Envoy marks fields of its messages as sensitive and blanks all text below
// them; here the same fields go by name, and beyond Envoy: private keys anywhere, and passwords, tokens and keys in free-form
// configuration (of plugins, environment variables, headers), which no message describes.

const REDACTED = "[redacted]";

/** Messages whose whole text is secret: DataSources of keys and passwords. */
const SENSITIVE_MESSAGES: ReadonlySet<string> = new Set([
  "private_key",
  "pkcs12",
  "password",
  "session_ticket_keys",
  "generic_secret",
  "hmac_secret",
  "token_secret",
  "inline_secret",
]);

/** Text that is secret by its name. Fields that only name a secret ("secret_name", "token_endpoint") do not end so. */
const SENSITIVE_TEXT =
  /(^|[-_. ])(password|passwd|passphrase|secrets?|client_?secret|tokens?|api[-_]?keys?|private[-_]?keys?|access[-_]?keys?|secret[-_]?keys?|credentials?|json[-_]?key|authorization|cookie|bearer)$/i;

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;
/** The password of a URL's authority. */
const URL_PASSWORD = /(:\/\/[^\s/@:"'?#]*:)[^\s/@"'?#]+@/g;
const BEARER = /\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/g;

/** A copy without secrets; parts without any are shared with the original. */
export function redact(value: unknown): unknown {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return mapList(value, redact);
  if (typeof value !== "object" || value === null) return value;
  return redactObject(value as Readonly<Record<string, unknown>>);
}

function redactObject(object: Readonly<Record<string, unknown>>): unknown {
  let changed = false;
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    const snake = key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
    const isWhole =
      SENSITIVE_MESSAGES.has(snake) || (typeof value === "string" && SENSITIVE_TEXT.test(snake)) || isSecretHeaderValue(object, key);
    // Base64 in JSON: the bytes that say "[redacted]", as Envoy has them.
    const replaced = isWhole ? blank(value) : redact(value);
    if (replaced !== value) changed = true;
    out[key] = replaced;
  }
  return changed ? out : object;
}

/** {"key": "authorization", "value": "…"}: a header or an environment variable that is added. */
function isSecretHeaderValue(object: Readonly<Record<string, unknown>>, key: string): boolean {
  const name = object.key ?? object.name;
  return (key === "value" || key === "raw_value" || key === "rawValue") && typeof name === "string" && SENSITIVE_TEXT.test(name);
}

function blank(value: unknown): unknown {
  if (typeof value === "string") return REDACTED;
  if (Array.isArray(value)) return value.map(blank);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      typeof item === "string" && /^inline_?bytes$/i.test(key) ? Buffer.from(REDACTED).toString("base64") : blank(item),
    ]),
  );
}

function mapList(list: readonly unknown[], map: (item: unknown) => unknown): unknown {
  const mapped = list.map(map);
  return mapped.every((item, i) => item === list[i]) ? list : mapped;
}

/** Private keys, bearer tokens, and secrets in text that is JSON itself (a plugin's configuration). */
export function redactText(raw: string): string {
  const plain = raw.includes("PRIVATE KEY-----") ? raw.replace(PRIVATE_KEY, REDACTED) : raw;
  if (/^\s*[[{]/.test(plain)) {
    try {
      const parsed: unknown = JSON.parse(plain);
      const redacted = redact(parsed);
      return redacted === parsed ? plain : JSON.stringify(redacted);
    } catch {
      // No JSON after all: it is text like any other.
    }
  }
  return plain.replace(BEARER, `$1 ${REDACTED}`).replace(URL_PASSWORD, `$1${REDACTED}@`);
}

/** Text of a configuration language (--config-yaml): each line that names a secret loses its value. */
export function redactYaml(raw: string): string {
  return redactText(raw).replace(
    /("?[\w.-]*(?:password|secret|token|api_?key|private_?key|credential)[\w.-]*"?\s*:\s*)(\{[^}]*\}|\[[^\]]*\]|"[^"]*"|'[^']*'|[^\s,}][^\n,}]*)/gi,
    `$1${REDACTED}`,
  );
}
