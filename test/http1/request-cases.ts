// The request corpus: its cases, what each says must happen, and the judge of what did (format: test/corpora/README.md).
import { readFileSync } from "node:fs";
import { headerOf, type RequestMessage, type ResponseMessage } from "../support/http1-messages.ts";

export interface UpstreamFacts {
  readonly count?: number;
  readonly method?: string;
  readonly target?: string;
  readonly targets?: readonly string[];
  readonly targetAny?: readonly string[];
  readonly version?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly forbid?: readonly string[];
  readonly forbidHeaders?: readonly string[];
  readonly requireHeaders?: readonly string[];
}

export interface RequestCase {
  readonly name: string;
  readonly group: string;
  readonly raw: string;
  readonly macro?: boolean;
  readonly expect: "accept" | "reject" | "either";
  readonly status?: number | null;
  readonly statusAny?: readonly (number | null)[];
  readonly firstOk?: boolean;
  readonly upstream?: UpstreamFacts;
  readonly forbidUpstream?: readonly string[];
  readonly forbidUpstreamRequestFor?: readonly string[];
  readonly neverCompletes?: boolean;
  readonly eof?: boolean;
  readonly delivery?: "byte-at-a-time" | "stall";
  /** Ours: which of the runner's routes the case is for; all when absent. */
  readonly routes?: readonly Route[];
}

/** The kinds of route that every case goes through. */
export const ROUTES = ["streaming", "upgrade", "buffering", "trailers"] as const;
export type Route = (typeof ROUTES)[number];

/** {{repeat:TEXT:N}}, with \r and \n in TEXT as two characters. */
export function expandMacros(raw: string): string {
  return raw.replace(/\{\{repeat:(.*?):(\d+)\}\}/gs, (_, text: string, count: string) =>
    text.replaceAll("\\r", "\r").replaceAll("\\n", "\n").repeat(Number(count)),
  );
}

export function loadCases(file: URL): RequestCase[] {
  const cases = JSON.parse(readFileSync(file, "utf8")) as RequestCase[];
  return cases.map((given) => (given.macro === true ? { ...given, raw: expandMacros(given.raw) } : given));
}

/** What one delivery of a case led to. */
export interface Outcome {
  readonly route: Route;
  readonly hasPrefix: boolean;
  readonly hasCanary: boolean;
  readonly responses: readonly ResponseMessage[];
  readonly isClosed: boolean;
  readonly clientBreaches: readonly string[];
  readonly requests: readonly RequestMessage[];
  /** Messages begun upstream whose connection is still there without their end. */
  readonly leftOpen: number;
  readonly upstreamBytes: string;
  readonly upstreamBreaches: readonly string[];
}

export const PREFIX = "GET /prefix HTTP/1.1\r\nHost: prefix.example\r\n\r\n";
export const CANARY = "GET /canary HTTP/1.1\r\nHost: canary.example\r\n\r\n";

/** Everything that is wrong with the outcome; empty when the case holds. */
export function judge(given: RequestCase, outcome: Outcome): string[] {
  const problems: string[] = [];
  const say = (text: string): void => {
    problems.push(text);
  };
  for (const breach of outcome.clientBreaches) say(`answer: ${breach}`);
  for (const breach of outcome.upstreamBreaches) say(`forwarded: ${breach}`);
  if (outcome.leftOpen > 0) say(`${outcome.leftOpen} messages begun upstream were neither completed nor aborted`);
  const responses = [...outcome.responses];
  const requests = [...outcome.requests];
  if (outcome.hasPrefix) {
    const first = responses.shift();
    if (first?.status !== 200 || headerOf(first, "x-target") !== "/prefix") say(`the request before was answered ${first?.status}`);
    if (requests.shift()?.target !== "/prefix") say("the request before did not come first upstream");
  }
  const canaryAnswer = responses.findIndex((response) => headerOf(response, "x-target") === "/canary");
  const canaryRequest = requests.findIndex((request) => request.target === "/canary");
  if (canaryAnswer >= 0 && canaryAnswer !== responses.length - 1) say("the canary was not answered last");
  if (canaryAnswer >= 0 !== canaryRequest >= 0) say("the canary was forwarded without an answer, or answered without being forwarded");
  if (canaryAnswer >= 0) responses.splice(canaryAnswer);
  if (canaryRequest >= 0) requests.splice(canaryRequest);
  const hasCanary = canaryAnswer >= 0;

  for (const text of given.forbidUpstream ?? []) if (outcome.upstreamBytes.includes(text)) say(`upstream saw ${JSON.stringify(text)}`);
  for (const target of given.forbidUpstreamRequestFor ?? [])
    if (requests.some((request) => request.target === target)) say(`upstream got a request for ${target}`);

  const last = responses.at(-1);
  const wantsClose = last !== undefined && headerOf(last, "connection") === "close";
  if (wantsClose && !outcome.isClosed) say("the answer says close, the connection is open");
  const allowed = given.statusAny ?? (given.status === undefined ? [] : [given.status]);
  const isForwarded = given.expect === "accept" || (given.expect === "either" && requests.length > 0);
  if (isForwarded) {
    if (given.neverCompletes === true) say("a message that cannot be complete was completed upstream");
    judgeForwarded(given, outcome.route, requests, responses, say);
    if (outcome.hasCanary && !hasCanary && !outcome.isClosed) say("the canary got no answer");
    if (outcome.hasCanary && !hasCanary && given.expect === "accept" && !/^Connection:[^\r]*close/im.test(given.raw))
      say("the connection closed before the canary");
    return problems;
  }
  const isServed = last !== undefined && last.status < 300 && allowed.includes(last.status);
  if (given.firstOk !== true && requests.length > 0 && !isServed) say(`${requests.length} complete requests went upstream`);
  if (given.firstOk === true && requests.length > (given.upstream?.count ?? 1)) say(`${requests.length} complete requests went upstream`);
  if (given.expect === "reject" && hasCanary && !isServed) say("the canary was answered");
  judgeRefusal(given, outcome, responses, allowed, hasCanary, say);
  return problems;
}

function judgeRefusal(
  given: RequestCase,
  outcome: Outcome,
  responses: readonly ResponseMessage[],
  allowed: readonly (number | null)[],
  hasCanary: boolean,
  say: (text: string) => void,
): void {
  const own = given.firstOk === true ? responses.filter((response, i) => i > 0 || response.status >= 300) : responses;
  if (own.length > 1) say(`${own.length} answers to one fault: ${own.map((response) => response.status).join(" ")}`);
  const status = own.at(-1)?.status ?? null;
  if (!allowed.includes(status) && !(given.expect === "either" && given.statusAny === undefined && status === 400)) {
    say(`answered ${status}, wanted ${allowed.join(" or ")}`);
  }
  const mayStay = (status !== null && status < 300) || (given.expect === "either" && hasCanary);
  if (!outcome.isClosed && !mayStay && (given.expect === "reject" || outcome.hasCanary)) say("the connection stayed open");
}

function judgeForwarded(
  given: RequestCase,
  route: Route,
  requests: readonly RequestMessage[],
  responses: readonly ResponseMessage[],
  say: (text: string) => void,
): void {
  const facts = given.upstream ?? {};
  const allowed = given.statusAny?.filter((status) => status !== null && status < 300) ?? [];
  for (const { status } of responses)
    if ((status < 200 || status > 299) && !allowed.includes(status) && !(given.statusAny ?? []).includes(status)) say(`answered ${status}`);
  // Where an upgrade is refused before it reaches the upstream, the requests behind it are not sent either.
  if (facts.count !== undefined && requests.length !== facts.count) say(`${requests.length} requests upstream, wanted ${facts.count}`);
  if (responses.length !== requests.length) say(`${requests.length} requests upstream, ${responses.length} answers`);
  responses.forEach((response, i) => {
    if (headerOf(response, "x-target") !== requests[i]?.target)
      say(`answer ${i + 1} is for ${headerOf(response, "x-target")}, not for ${requests[i]?.target}`);
  });
  facts.targets?.forEach((target, i) => {
    if (requests[i]?.target !== target) say(`request ${i + 1} has target ${requests[i]?.target}, wanted ${target}`);
  });
  const first = requests[0];
  if (first === undefined) return;
  const text = [first.startLine, ...first.headers.map(([name, value]) => `${name}: ${value}`), first.body].join("\r\n");
  const equal = (what: string, seen: string | undefined, wanted: string | undefined): void => {
    if (wanted !== undefined && seen !== wanted) say(`${what} ${JSON.stringify(seen)}, wanted ${JSON.stringify(wanted)}`);
  };
  equal("method", first.method, facts.method);
  equal("target", first.target, facts.target);
  equal("version", first.version, facts.version);
  equal("body", first.body, facts.body);
  for (const [name, value] of Object.entries(facts.headers ?? {})) equal(name, headerOf(first, name), value);
  if (facts.targetAny !== undefined && !facts.targetAny.includes(first.target))
    say(`target ${first.target}, wanted one of ${facts.targetAny.join(" ")}`);
  for (const part of facts.forbid ?? []) if (text.includes(part)) say(`upstream saw ${JSON.stringify(part)}`);
  for (const name of facts.requireHeaders ?? []) if (headerOf(first, name) === undefined) say(`no ${name} upstream`);
  // A trailer that may be forwarded as one is not a header.
  for (const forbidden of facts.forbidHeaders ?? []) {
    if (route === "upgrade" && forbidden === "upgrade" && !/h2c/i.test(given.raw)) continue;
    const [name, value] = forbidden.split(":");
    if (first.headers.some(([own, has]) => own === name && (value === undefined || has === value))) say(`upstream got ${forbidden}`);
  }
}
