// THE table of the admin API: path, what it does, whether it changes anything (then it takes POST only), its parameters, its handler.
// The help texts, the home page and the generated reference are made of it. Paths, parameters and answers are Envoy's
// ("Administration interface"); what begins with /_wasm is our own.
import type { TagProducer } from "../stats/tags.ts";
import { certificatesJson } from "./certificates.ts";
import { answerClusters } from "./clusters.ts";
import { answerConfigDump } from "./config-dump-query.ts";
import { type AdminRequest, type AdminResponse, html, json, text } from "./exchange.ts";
import { answerFilter, answerFilters, FILTERS_PATH } from "./filters.ts";
import { helpPage, helpText } from "./help.ts";
import { answerListeners } from "./listeners.ts";
import { answerLogging } from "./logging.ts";
import { initDumpJson, memoryJson, runtimeJson, serverInfoJson } from "./server-info.ts";
import { answerPrometheus, answerStats } from "./stats-endpoints.ts";
import type { AdminViews } from "./views.ts";

export interface Parameter {
  readonly name: string;
  readonly help: string;
  readonly choices?: readonly string[];
}

export interface EndpointContext {
  readonly views: AdminViews;
  readonly tags: TagProducer;
  readonly nowMs: () => number;
  /** The data plane's access logs and the admin API's own. */
  readonly reopenLogs: () => void;
}

export interface Endpoint {
  /** "{name}" at the end stands for the rest of the path. */
  readonly path: string;
  readonly help: string;
  readonly mutates: boolean;
  readonly parameters: readonly Parameter[];
  /** Answers are large: only a few are made at once, others get 429. */
  readonly isHeavy?: boolean;
  handle(request: AdminRequest, ctx: EndpointContext): AdminResponse;
}

const usedonly: Parameter = { name: "usedonly", help: "Only include stats that were counted since the start" };
const filter: Parameter = { name: "filter", help: "Regular expression (RE2) that names must match" };
const invertFilter: Parameter = { name: "invert_filter", help: "Only names that do not match the filter" };
const format: Parameter = { name: "format", help: "Format of the answer", choices: ["text", "json"] };

const shows = (path: string, help: string, handle: Endpoint["handle"], parameters: readonly Parameter[] = []): Endpoint => ({
  path,
  help,
  mutates: false,
  parameters,
  handle,
});

/** Does something and answers OK. */
const acts = (
  path: string,
  help: string,
  act: (ctx: EndpointContext, request: AdminRequest) => void,
  parameters: readonly Parameter[] = [],
): Endpoint => ({
  path,
  help,
  mutates: true,
  parameters,
  handle(request, ctx) {
    act(ctx, request);
    return text("OK\n");
  },
});

export const ENDPOINTS: readonly Endpoint[] = [
  shows("/", "Admin home page", () => html(helpPage(ENDPOINTS))),
  shows(FILTERS_PATH, "wasm filters: which module is loaded where, and why not", (request, { views }) => answerFilters(request, views)),
  shows(`${FILTERS_PATH}/{name}`, "one wasm filter with its resource and each worker", (request, { views }) =>
    answerFilter(request, views),
  ),
  shows("/certs", "certificates in use", (_request, { views, nowMs }) => json(certificatesJson(views.certificates(), nowMs()))),
  shows("/clusters", "upstream clusters and their hosts", (request, { views }) => answerClusters(request, views), [format, filter]),
  {
    ...shows("/config_dump", "the configuration in force and what was refused", (request, { views }) => answerConfigDump(request, views), [
      { name: "resource", help: "Only this repeated field, for example dynamic_listeners" },
      { name: "mask", help: "Only these fields, as a FieldMask: paths separated by commas" },
      { name: "name_regex", help: "Only configurations whose whole name matches" },
      { name: "include_eds", help: "Also the endpoints of clusters" },
    ]),
    isHeavy: true,
  },
  shows("/contention", "contention of mutexes", () => text("Mutex contention tracing is not enabled: worker threads share no mutex.")),
  acts(
    "/drain_listeners",
    "drain listeners: no new connections, those there are end",
    ({ views }, { query }) =>
      views.drainListeners({ inboundOnly: query.has("inboundonly"), graceful: query.has("graceful"), skipExit: query.has("skip_exit") }),
    [
      { name: "inboundonly", help: "Only listeners with traffic_direction INBOUND" },
      { name: "graceful", help: "Answer for the drain time before sockets are closed" },
      { name: "skip_exit", help: "Drain connections, keep the listeners" },
    ],
  ),
  acts("/healthcheck/fail", "cause the server to fail health checks", ({ views }) => views.setHealthCheckFailed(true)),
  acts("/healthcheck/ok", "cause the server to pass health checks", ({ views }) => views.setHealthCheckFailed(false)),
  shows("/help", "list of admin commands", () => text(helpText(ENDPOINTS))),
  shows("/hot_restart_version", "the hot restart compatibility version", () => text("disabled")),
  shows(
    "/init_dump",
    "what still waits before it can serve",
    (request, { views }) => json(initDumpJson(views, request.query.get("mask"))),
    [{ name: "mask", help: "Only resources of this kind", choices: ["listener", "cluster"] }],
  ),
  shows("/listeners", "listeners and their addresses", (request, { views }) => answerListeners(request, views), [format]),
  {
    path: "/logging",
    help: "show or change the levels of the log",
    mutates: true,
    parameters: [
      { name: "paths", help: "Change several: <component>:<level>,<component>:<level>" },
      { name: "level", help: "Change all", choices: ["trace", "debug", "info", "warning", "error", "critical", "off"] },
    ],
    handle: (request, { views }) => answerLogging(request, views),
  },
  shows("/memory", "memory in use", (_request, { views }) => json(memoryJson(views.memory()))),
  {
    path: "/quitquitquit",
    help: "exit the server",
    mutates: true,
    parameters: [],
    handle: (_request, { views }) => ({ ...text("OK\n"), afterSent: () => views.quit() }),
  },
  shows("/ready", "the server's state, with 200 if it is LIVE and 503 if not", (_request, { views }) => {
    const state = views.state();
    return text(`${state}\n`, state === "LIVE" ? 200 : 503);
  }),
  acts("/reopen_logs", "open the access logs again", ({ reopenLogs }) => reopenLogs()),
  acts("/reset_counters", "reset all counters to zero", ({ views }) => views.stats.resetCounters()),
  shows("/runtime", "runtime values", (_request, { views }) => json(runtimeJson(views))),
  shows("/server_info", "version, state and command line", (_request, { views, nowMs }) => json(serverInfoJson(views, nowMs()))),
  shows("/stats", "statistics", (request, { views, tags }) => answerStats(request, views, tags), [
    usedonly,
    filter,
    invertFilter,
    { name: "format", help: "Format of the answer", choices: ["html", "active-html", "text", "json", "prometheus"] },
    { name: "type", help: "Kinds to include", choices: ["All", "Counters", "Histograms", "Gauges", "TextReadouts"] },
    { name: "histogram_buckets", help: "How histograms are shown", choices: ["cumulative", "disjoint", "detailed", "summary"] },
  ]),
  shows("/stats/prometheus", "statistics in the Prometheus format", (request, { views, tags }) => answerPrometheus(request, views, tags), [
    usedonly,
    filter,
    invertFilter,
    { name: "histogram_buckets", help: "How histograms are shown", choices: ["cumulative", "summary"] },
  ]),
];

const EXACT = new Map(ENDPOINTS.filter(({ path }) => !path.includes("{")).map((endpoint) => [endpoint.path, endpoint]));
const BY_PREFIX = ENDPOINTS.filter(({ path }) => path.includes("{")).map(
  (endpoint) => [endpoint.path.slice(0, endpoint.path.indexOf("{")), endpoint] as const,
);

export function findEndpoint(path: string): Endpoint | undefined {
  return EXACT.get(path) ?? BY_PREFIX.find(([prefix]) => path.startsWith(prefix) && path.length > prefix.length)?.[1];
}
