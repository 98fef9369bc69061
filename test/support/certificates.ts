// Certificates for tests: X.509 v3 and CRLs in DER, built and signed here with node:crypto, which can sign but issues nothing.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const integer = (value: number): Buffer =>
  der(0x02, Buffer.from(value < 0x80 ? [value] : [0, value >> 24, value >> 16, value >> 8, value].map((byte) => byte & 0xff)));
const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text));

export function oid(text: string): Buffer {
  const [first, second, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return ms < Date.UTC(2050, 0) ? der(0x17, Buffer.from(`${text.slice(2)}Z`)) : der(0x18, Buffer.from(`${text}Z`));
}

const ATTRIBUTES: Readonly<Record<string, string>> = { CN: "2.5.4.3", O: "2.5.4.10" };

/** "CN=a,O=b", in the order of the certificate. */
function name(text: string): Buffer {
  return sequence(
    ...text.split(",").map((pair) => {
      const [key, value] = pair.split("=");
      return der(0x31, sequence(oid(ATTRIBUTES[key]), utf8(value)));
    }),
  );
}

export const dns = (text: string): Buffer => der(0x82, Buffer.from(text, "latin1"));
export const uri = (text: string): Buffer => der(0x86, Buffer.from(text, "latin1"));
export const email = (text: string): Buffer => der(0x81, Buffer.from(text, "latin1"));
export const ip = (...bytes: readonly number[]): Buffer => der(0x87, Buffer.from(bytes));

export interface CertificateOptions {
  readonly subject?: string;
  /** GeneralNames as DER. */
  readonly names?: readonly Uint8Array[];
  readonly isAuthority?: boolean;
  readonly issuer?: Issued;
  /** Relative to now. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly keyType?: "ec" | "rsa";
  readonly serial?: number;
}

export interface Issued {
  readonly pem: string;
  readonly raw: Buffer;
  readonly keyPem: string;
  readonly key: KeyObject;
  readonly publicKeyInfo: Buffer;
  readonly subject: string;
  readonly serial: number;
}

const DAY_MS = 86_400_000;
const SHA256_WITH_ECDSA = "1.2.840.10045.4.3.2";
const SHA256_WITH_RSA = "1.2.840.113549.1.1.11";

function algorithm(key: KeyObject): Buffer {
  return key.asymmetricKeyType === "ec" ? sequence(oid(SHA256_WITH_ECDSA)) : sequence(oid(SHA256_WITH_RSA), der(0x05));
}

function signed(content: Buffer, key: KeyObject): Buffer {
  return sequence(content, algorithm(key), der(0x03, Buffer.from([0]), sign("sha256", content, key)));
}

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  isCritical ? sequence(oid(id), der(0x01, Buffer.from([0xff])), der(0x04, value)) : sequence(oid(id), der(0x04, value));

let serials = 1;

export function issue(options: CertificateOptions = {}): Issued {
  const pair =
    options.keyType === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { privateKey, publicKey } = pair;
  const subject = options.subject ?? (options.isAuthority === true ? "CN=Test CA" : "CN=leaf");
  const issuerKey = options.issuer?.key ?? privateKey;
  const now = Date.now();
  const serial = options.serial ?? ++serials;
  const extensions: Buffer[] = [];
  if (options.isAuthority === true) extensions.push(extension("2.5.29.19", true, sequence(der(0x01, Buffer.from([0xff])))));
  if (options.names !== undefined) extensions.push(extension("2.5.29.17", false, sequence(...options.names)));
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const content = sequence(
    der(0xa0, integer(2)),
    integer(serial),
    algorithm(issuerKey),
    name(options.issuer?.subject ?? subject),
    sequence(time(now + (options.fromMs ?? -DAY_MS)), time(now + (options.untilMs ?? 30 * DAY_MS))),
    name(subject),
    publicKeyInfo,
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const raw = signed(content, issuerKey);
  return {
    pem: pem("CERTIFICATE", raw),
    raw,
    keyPem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    key: privateKey,
    publicKeyInfo,
    subject,
    serial,
  };
}

/** A revocation list of the authority. */
export function revoke(authority: Issued, numbers: readonly number[]): string {
  const now = Date.now();
  const revoked = numbers.map((serial) => sequence(integer(serial), time(now - DAY_MS)));
  const content = sequence(
    integer(1),
    algorithm(authority.key),
    name(authority.subject),
    time(now - DAY_MS),
    time(now + 30 * DAY_MS),
    ...(revoked.length === 0 ? [] : [sequence(...revoked)]),
  );
  return pem("X509 CRL", signed(content, authority.key));
}

function pem(label: string, raw: Buffer): string {
  return `-----BEGIN ${label}-----\n${raw.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;
}
