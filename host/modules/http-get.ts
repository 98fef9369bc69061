// GET with a limit on everything: time, size, redirects, and where a redirect may lead.
import { type ClientRequest, type IncomingMessage, request as requestPlain, type RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import { shownUrl } from "../config/module-code.ts";
import { checkHost, guardedLookup, isPrivateAddress, type Lookup, type Reach } from "./address-guard.ts";
import { retryAfter } from "./retry-after.ts";
import { FetchError, messageOf, type ModuleClock } from "./contract.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** Who answered first has an address that is not of the public Internet. */
  readonly isPrivate: boolean;
}

export interface HttpGetterOptions {
  readonly clock: ModuleClock;
  /** Certificate authorities in PEM besides those that Node has; undefined: none. */
  readonly authorities: readonly string[] | undefined;
  /** The operator vouches for the host: no certificate is asked for, nothing that it says is judged. */
  isInsecure(host: string): boolean;
  /** Default: the system's. */
  readonly lookup?: Lookup;
  /** Of who answers first. Default: by RFC 6890. */
  isPrivate?(address: string): boolean;
}

export interface HttpGet {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the answer's body as it is sent. */
  readonly maxBytes: number;
  /** Aborts with an error that says why. */
  readonly signal: AbortSignal;
  /** application/x-www-form-urlencoded: makes it a POST. */
  readonly form?: string;
  /** Where the first hop may lead; "any" where the operator wrote the URL. */
  readonly reach?: Reach;
}

/** As Go's client, which Istio's agent uses. */
const maxRedirects = 10;
const maxHeaderBytes = 65_536;
/** Of one attempt (Istio: 15 s). */
const attemptTimeoutMs = 15_000;

const redirects = new Set([301, 302, 303, 307, 308]);

export class HttpGetter {
  readonly #options: HttpGetterOptions;

  constructor(options: HttpGetterOptions) {
    this.#options = options;
  }

  isInsecure(host: string): boolean {
    return this.#options.isInsecure(host);
  }

  /** Any status is an answer; throws FetchError where there is none. */
  async get(options: HttpGet): Promise<HttpAnswer> {
    const { url: first } = options;
    const attempt = new AbortController();
    const abort = (): void => attempt.abort(options.signal.reason);
    if (options.signal.aborted) abort();
    options.signal.addEventListener("abort", abort);
    const timer = this.#options.clock.after(attemptTimeoutMs, () =>
      attempt.abort(new FetchError(`${first.host} did not answer within ${attemptTimeoutMs / 1000} s`, { isTransient: true })),
    );
    try {
      return await this.#follow({ ...options, signal: attempt.signal });
    } finally {
      timer.cancel();
      options.signal.removeEventListener("abort", abort);
    }
  }

  async #follow(options: HttpGet): Promise<HttpAnswer> {
    let { url, headers } = options;
    let reach: Reach = this.isInsecure(url.host) ? "any" : (options.reach ?? "any");
    let isFromSecure = false;
    let isPrivate = false;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      checkHost(url.hostname, reach);
      const answer = await this.#hop(url, { ...options, headers }, reach);
      const { location } = answer.headers;
      if (hop === 0) isPrivate = answer.isPrivate;
      if (!redirects.has(answer.status) || location === undefined || options.form !== undefined) return { ...answer, isPrivate };
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || (next.protocol !== "http:" && next.protocol !== "https:"))
        throw new FetchError(`${url.host} redirects to what is no HTTP URL: ${shownUrl(location.slice(0, 200))}`);
      isFromSecure ||= url.protocol === "https:";
      if (isFromSecure && next.protocol === "http:" && !this.isInsecure(next.host))
        throw new FetchError(`refused to be sent from https to ${next.host} without TLS`);
      // Credentials are for whom they were given.
      if (next.host !== url.host) headers = withoutCredentials(headers);
      if (hop === 0 && reach === "any") reach = this.isInsecure(url.host) ? "any" : isPrivate ? "private" : "public";
      url = next;
    }
    throw new FetchError(`stopped after ${maxRedirects} redirects from ${options.url.host}`);
  }

  #hop(url: URL, options: HttpGet, reach: Reach): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        const { reason } = options.signal as { readonly reason: unknown };
        if (options.signal.aborted && reason instanceof FetchError) reject(reason);
        else if (error instanceof FetchError) reject(error);
        else reject(new FetchError(`${url.host}: ${messageOf(error)}`, { isTransient: true }));
      };
      const request = this.#open(url, options, reach);
      request.on("error", fail);
      request.on("response", (response) => {
        const peer = response.socket.remoteAddress ?? "";
        collect(response, options.maxBytes, url).then(
          (body) =>
            resolve({
              status: response.statusCode ?? 0,
              headers: singleHeaders(response),
              body,
              url,
              isPrivate: peer === "" || (this.#options.isPrivate?.(peer) ?? isPrivateAddress(peer)),
            }),
          (error: unknown) => {
            request.destroy();
            fail(error);
          },
        );
      });
      request.end(options.form);
    });
  }

  #open(url: URL, options: HttpGet, reach: Reach): ClientRequest {
    const { lookup, authorities } = this.#options;
    const common: RequestOptions = {
      method: options.form === undefined ? "GET" : "POST",
      headers: {
        "user-agent": "sluice",
        // The limits are on what is sent; what a body is packed in is seen from its first bytes.
        "accept-encoding": "identity",
        ...options.headers,
        ...(options.form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      },
      signal: options.signal,
      lookup: guardedLookup(reach, lookup),
      maxHeaderSize: maxHeaderBytes,
      agent: false,
    };
    if (url.protocol === "http:") return requestPlain(url, common);
    return requestTls(url, {
      ...common,
      rejectUnauthorized: !this.isInsecure(url.host),
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
    });
  }
}

async function collect(response: IncomingMessage, maxBytes: number, url: URL): Promise<Buffer> {
  const tooLarge = (): FetchError => new FetchError(`${url.host} sends more than the ${maxBytes} bytes that are allowed`);
  if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBytes) throw tooLarge();
    parts.push(part);
  }
  // A body that ends early is an error of the stream; Node says "aborted".
  return Buffer.concat(parts, length);
}

function singleHeaders({ headers }: IncomingMessage): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]));
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "authorization"));
}

/** 429 and the 5xx that may pass (Istio: not 501, 505 and 511); anything else will be the same the next time. */
export function statusError(answer: HttpAnswer, what: string, result: "download_failure" | "manifest_failure", nowMs: number): FetchError {
  const { status } = answer;
  const isTransient = status === 429 || status === 408 || (status >= 500 && ![501, 505, 511].includes(status));
  const retryAfterMs = retryAfter(answer.headers["retry-after"], nowMs);
  return new FetchError(`${what}: wrong status code, got ${status} from ${answer.url.host}`, {
    result,
    isTransient,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
