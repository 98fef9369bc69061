// From a request to its endpoint: the checks that hold for all of them, and the limit on heavy ones. No sockets in here.
import { type EndpointContext, ENDPOINTS, type Endpoint, findEndpoint } from "./endpoints.ts";
import { type AdminResponse, Query, text } from "./exchange.ts";
import { helpText } from "./help.ts";
import { isAllowedHost, isSameOrigin } from "./same-origin.ts";

export interface IncomingHead {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Sec-Fetch-Site */
  readonly fetchSite: string | undefined;
}

export interface Answer {
  readonly response: AdminResponse;
  /** To be called when the response is over, whatever became of it. */
  release(): void;
}

/** Dumps of a large configuration hold tens of megabytes each until they are sent. */
const MAX_HEAVY = 4;

export class AdminRouter {
  private readonly ctx: EndpointContext;
  /** undefined: any (a pipe has no names). */
  private readonly hostNames: readonly string[] | undefined;
  private readonly onError: (what: string, error: unknown) => void;
  private heavy = 0;

  constructor(ctx: EndpointContext, hostNames: readonly string[] | undefined, onError: (what: string, error: unknown) => void) {
    this.ctx = ctx;
    this.hostNames = hostNames;
    this.onError = onError;
  }

  answer(head: IncomingHead): Answer {
    const refusal = this.refuse(head);
    if (refusal !== undefined) return { response: refusal, release: () => {} };
    const question = head.target.indexOf("?");
    const path = question < 0 ? head.target : head.target.slice(0, question);
    const endpoint = findEndpoint(path);
    if (endpoint === undefined) return { response: text(`invalid path. ${helpText(ENDPOINTS)}`, 404), release: () => {} };
    if (endpoint.mutates && head.method !== "POST")
      return { response: text(`Method ${head.method} not allowed, POST required.`, 405), release: () => {} };
    if (endpoint.mutates && !isSameOrigin(head.origin, head.fetchSite, head.host)) {
      return { response: text("requests that change anything are not taken from pages of other sites\n", 403), release: () => {} };
    }
    return this.handle(endpoint, head.method, path, question < 0 ? "" : head.target.slice(question + 1));
  }

  private refuse({ host }: IncomingHead): AdminResponse | undefined {
    if (this.hostNames === undefined || isAllowedHost(host, this.hostNames)) return undefined;
    return text("the Host header names neither localhost nor an IP address nor a name that is configured\n", 403);
  }

  private handle(endpoint: Endpoint, method: string, path: string, query: string): Answer {
    if (endpoint.isHeavy === true && this.heavy >= MAX_HEAVY) {
      return { response: text(`${MAX_HEAVY} requests of this kind are being answered already\n`, 429), release: () => {} };
    }
    let isHeld = endpoint.isHeavy === true;
    if (isHeld) this.heavy++;
    const release = (): void => {
      if (isHeld) this.heavy--;
      isHeld = false;
    };
    try {
      return { response: endpoint.handle({ method, path, query: new Query(query) }, this.ctx), release };
    } catch (error) {
      this.onError(`${method} ${path}`, error);
      return { response: text(`internal error: ${error instanceof Error ? error.message : String(error)}\n`, 500), release };
    }
  }
}
