// Manifests and blobs of one image (OCI distribution specification 1.1, "Pulling manifests", "Pulling blobs"), with whatever the registry
// wants to know of us. Everything that comes is checked against its digest.
import { createHash } from "node:crypto";
import type { Reach } from "./address-guard.ts";
import { FetchError, type FetchResult, messageOf, type ModuleClock } from "./contract.ts";
import { type HttpAnswer, type HttpGetter, statusError } from "./http-get.ts";
import type { ImageReference } from "./image-reference.ts";
import { basic, type Credentials, fetchToken, findCredentials, parseChallenge } from "./registry-auth.ts";

export interface RegistryOptions {
  readonly image: ImageReference;
  /** Docker's config.json; undefined: we are nobody. */
  readonly pullSecret: string | undefined;
  readonly getter: HttpGetter;
  readonly clock: ModuleClock;
  readonly signal: AbortSignal;
}

export interface Document {
  readonly bytes: Buffer;
  /** Hex. */
  readonly digest: string;
  readonly mediaType: string;
}

const maxManifestBytes = 4_194_304;

const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly #credentials: Credentials | undefined;
  #authorization: string | undefined;
  #base: URL;
  /** Where the registry may send us for a token. */
  #reach: Reach = "public";

  constructor(options: RegistryOptions) {
    const { image, pullSecret, getter } = options;
    this.#options = options;
    this.#credentials = pullSecret === undefined ? undefined : findCredentials(pullSecret, image.registry);
    // Docker's registry is not where its name is.
    this.#base = new URL(`https://${image.registry === "index.docker.io" ? "registry-1.docker.io" : image.registry}/`);
    if (getter.isInsecure(image.registry)) this.#reach = "any";
  }

  /** By digest where there is one, else by tag. */
  async manifest(reference: string, digest: string | undefined): Promise<Document> {
    const answer = await this.#get(`manifests/${reference}`, manifestTypes.join(", "), maxManifestBytes, "manifest_failure");
    const actual = this.#check(answer, digest, "manifest");
    return { bytes: answer.body, digest: actual, mediaType: (answer.headers["content-type"] ?? "").replace(/;.*$/, "").trim() };
  }

  async blob(digest: string, maxBytes: number): Promise<Buffer> {
    const answer = await this.#get(`blobs/sha256:${digest}`, "*/*", maxBytes, "download_failure");
    this.#check(answer, digest, "layer");
    return answer.body;
  }

  #check(answer: HttpAnswer, wanted: string | undefined, what: string): string {
    const digest = createHash("sha256").update(answer.body).digest("hex");
    const said = /^sha256:([0-9a-f]{64})$/.exec(answer.headers["docker-content-digest"] ?? "")?.[1];
    const expected = wanted ?? said;
    if (expected === undefined || expected === digest) return digest;
    throw new FetchError(`the ${what} has digest ${digest}, which does not match: ${expected}`, { result: "checksum_mismatched" });
  }

  async #get(
    path: string,
    accept: string,
    maxBytes: number,
    result: Exclude<FetchResult, "success" | "checksum_mismatched">,
  ): Promise<HttpAnswer> {
    const { clock } = this.#options;
    let answer = await this.#send(path, accept, maxBytes);
    if (answer.status === 401) {
      await this.#authorize(answer);
      // Once: a registry that does not take what it asked for will not take it the next time.
      answer = await this.#send(path, accept, maxBytes);
    }
    if (answer.status === 401 || answer.status === 403) {
      const who = this.#credentials === undefined ? "without credentials" : `as ${this.#credentials.user || "the bearer of a token"}`;
      throw new FetchError(`the registry ${this.#base.host} refused us ${who}: ${answer.status}`, { result });
    }
    if (answer.status !== 200) throw statusError(answer, path, result, clock.nowMs());
    return answer;
  }

  async #send(path: string, accept: string, maxBytes: number): Promise<HttpAnswer> {
    const { image, getter, signal } = this.#options;
    const headers = { accept, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) };
    const send = (): Promise<HttpAnswer> =>
      getter.get({ url: new URL(`v2/${image.repository}/${path}`, this.#base), headers, maxBytes, signal });
    try {
      return await send();
    } catch (error) {
      if (this.#base.protocol === "http:" || !getter.isInsecure(image.registry) || !speaksPlain(error)) throw error;
      this.#base = new URL(`http://${this.#base.host}/`);
      return send();
    }
  }

  async #authorize(answer: HttpAnswer): Promise<void> {
    const { image, getter, signal, clock } = this.#options;
    const credentials = this.#credentials;
    const challenge = parseChallenge(answer.headers["www-authenticate"] ?? "");
    if (challenge === undefined)
      throw new FetchError(`the registry ${this.#base.host} wants to know who we are in no way that is known`, {
        result: "manifest_failure",
      });
    if (credentials !== undefined && credentials.registryToken !== "") this.#authorization = `Bearer ${credentials.registryToken}`;
    else if (challenge.scheme === "basic") {
      if (credentials !== undefined) this.#authorization = basic(credentials);
    } else {
      const isPlain = this.#base.protocol === "http:";
      if (this.#reach === "public" && answer.isPrivate) this.#reach = "private";
      const { repository } = image;
      this.#authorization = await fetchToken(getter, { challenge, credentials, repository, isPlain, reach: this.#reach, signal, clock });
    }
  }
}

/** TLS met what is not TLS, or nothing listens for it. */
function speaksPlain(error: unknown): boolean {
  return (
    error instanceof FetchError &&
    /wrong version number|packet length too long|ECONNREFUSED|ECONNRESET|EPROTO|socket hang up/.test(messageOf(error))
  );
}
