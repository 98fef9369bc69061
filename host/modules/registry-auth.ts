// Who we are to a registry: Docker's config.json, the challenges of RFC 9110 11.6.1, and the token service behind a Bearer challenge
// (distribution specification, "Token Authentication").
import { FetchError, type ModuleClock } from "./contract.ts";
import type { HttpGetter } from "./http-get.ts";
import { statusError } from "./http-get.ts";
import type { Reach } from "./address-guard.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** Asks the token service in place of user and password; "": none. */
  readonly identityToken: string;
  /** Is a token already; "": none. */
  readonly registryToken: string;
}

const maxTokenBytes = 65_536;

/** undefined: nothing for this registry. Throws where the text is no configuration. */
export function findCredentials(text: string, registry: string): Credentials | undefined {
  const entries = Object.entries(authsOf(text));
  const entry = entries.find(([key]) => key === registry) ?? entries.find(([key]) => hostOf(key) === hostOf(registry));
  if (entry === undefined) return undefined;
  const fields = (typeof entry[1] === "object" ? (entry[1] ?? {}) : {}) as Readonly<Record<string, unknown>>;
  const field = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value : "";
  };
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(field("auth"), "base64").toString()) ?? ["", "", ""];
  return {
    user: field("username") || user,
    // Written by Docker for Windows: padded with zeros.
    password: field("password") || password.replace(/\0+$/, ""),
    identityToken: field("identitytoken"),
    registryToken: field("registrytoken"),
  };
}

/** {"auths": {…}}, or the older form without the outer object. */
function authsOf(text: string): Readonly<Record<string, unknown>> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // What the parser says would show a part of the secret.
    throw new FetchError("the image pull secret is not Docker's config.json: not JSON");
  }
  if (typeof config !== "object" || config === null) throw new FetchError("the image pull secret is not Docker's config.json: no object");
  const auths = "auths" in config ? config.auths : config;
  if (typeof auths !== "object" || auths === null) throw new FetchError("the image pull secret is not Docker's config.json: no auths");
  return auths as Readonly<Record<string, unknown>>;
}

/** Keys may be hosts, or URLs of a version of the API. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return host === "docker.io" || host === "registry-1.docker.io" ? "index.docker.io" : host;
}

export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first challenge that can be met; undefined: none. */
export function parseChallenge(header: string): Challenge | undefined {
  // A word that "=" does not follow begins a challenge.
  const starts = [...header.matchAll(/(?:^|,)\s*(basic|bearer)(?:\s+|$)/gi)];
  const challenges = starts.map((start, index): Challenge => {
    const text = header.slice(start.index + start[0].length, starts[index + 1]?.index);
    const pairs = [...text.matchAll(/([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)];
    return {
      scheme: start[1].toLowerCase() as Challenge["scheme"],
      parameters: Object.fromEntries(
        pairs.map(([, name, quoted, plain]) => [name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain ?? ""]),
      ),
    };
  });
  return challenges.find(({ scheme }) => scheme === "bearer") ?? challenges[0];
}

export function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

export interface TokenRequest {
  readonly challenge: Challenge;
  readonly credentials: Credentials | undefined;
  readonly repository: string;
  /** What the registry itself is: its token service may be no less secure, and no more private. */
  readonly isPlain: boolean;
  readonly reach: Reach;
  readonly signal: AbortSignal;
  readonly clock: ModuleClock;
}

/** The value of an Authorization header. */
export async function fetchToken(getter: HttpGetter, request: TokenRequest): Promise<string> {
  const { challenge, credentials, repository, signal, reach, clock } = request;
  const { realm = "", service = "", scope = `repository:${repository}:pull` } = challenge.parameters;
  if (!URL.canParse(realm) || !/^https?:$/.test(new URL(realm).protocol))
    throw new FetchError(`the registry's token service is not an HTTP URL: ${realm.slice(0, 200)}`, { result: "manifest_failure" });
  const url = new URL(realm);
  if (url.protocol === "http:" && !request.isPlain && !getter.isInsecure(url.host))
    throw new FetchError(`refused to ask the token service ${url.host} without TLS`, { result: "manifest_failure" });
  const isExchange = credentials !== undefined && credentials.identityToken !== "";
  if (!isExchange) {
    if (service !== "") url.searchParams.set("service", service);
    url.searchParams.set("scope", scope);
  }
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials?.identityToken ?? "",
    service,
    scope,
    client_id: "sluice",
  }).toString();
  const answer = await getter.get({
    url,
    headers: credentials === undefined || credentials.user === "" || isExchange ? {} : { authorization: basic(credentials) },
    maxBytes: maxTokenBytes,
    signal,
    reach,
    ...(isExchange ? { form } : {}),
  });
  if (answer.status !== 200) throw statusError(answer, "could not get a token", "manifest_failure", clock.nowMs());
  return `Bearer ${tokenOf(answer.body, url)}`;
}

function tokenOf(body: Buffer, url: URL): string {
  try {
    const answer = JSON.parse(body.toString()) as { readonly token?: unknown; readonly access_token?: unknown } | null;
    const token = answer?.token ?? answer?.access_token;
    // Nothing that would end the header and begin another.
    if (typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) return token;
  } catch {
    // Said below: an answer that is not JSON has no token either.
  }
  throw new FetchError(`the token service ${url.host} gave no token`, { result: "manifest_failure" });
}
