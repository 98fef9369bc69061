// The parts of the documents that are made from tables of the code. A document marks the place:
//   <!-- table: flags -->  …  <!-- end -->
// `npm run docs` writes what stands between; tables.test.ts fails while it differs.
import { ENDPOINTS } from "../../host/admin/endpoints.ts";
import { RUN_FLAGS } from "../../host/cli/flags.ts";
import { HTTP_FILTERS } from "../../host/extensions/http-filters.ts";
import { TLS_OPERATOR_NAMES } from "../../host/http/tls-operators.ts";
import { LISTENER_FILTERS } from "../../host/net/listener-filters/index.ts";
import { NETWORK_FILTERS } from "../../host/extensions/network-filters.ts";
import { AttributePaths } from "../../host/extensions/wasm/attributes.ts";
import { STAT_GROUPS } from "../../host/stats/catalog.ts";
import { ForeignFunctionNames } from "../../host/wasm/foreign-functions.ts";
import { DefaultLimits, type WasmLimits } from "../../host/wasm/limits.ts";
import { ignoredFields } from "../../host/xds/ignored-fields.ts";
import { readSource } from "./sources.ts";

export const documents = ["README.md", "COMPATIBILITY.md", "STATS.md"] as const;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const code = (text: string): string => `\`${text}\``;
const list = (names: readonly string[]): string => names.map(code).join(", ");

function flags(): string {
  const used = RUN_FLAGS.filter((flag) => flag.ignored === undefined).map((flag) => {
    const value = flag.value === undefined ? "" : ` ${flag.value}`;
    const short = flag.short === undefined ? "" : `, ${code(`-${flag.short}`)}`;
    return [`${code(`--${flag.name}${value}`)}${short}`, flag.help];
  });
  const reasons = new Map<string, string[]>();
  for (const flag of RUN_FLAGS) {
    if (flag.ignored !== undefined) reasons.set(flag.ignored, [...(reasons.get(flag.ignored) ?? []), `--${flag.name}`]);
  }
  const ignored = [...reasons].map(([reason, names]) => [list(names), reason]);
  const intro = "Accepted for compatibility with Envoy, without effect and with one warning:";
  return `${table(["flag", "meaning"], used)}\n\n${intro}\n\n${table(["flags", "why"], ignored)}`;
}

function networkFilters(): string {
  const rows = Object.values(NETWORK_FILTERS).map((row) => [code(row.name), row.status, row.securityPosture]);
  return table(["network filter", "status", "security posture"], rows);
}

function httpFilters(): string {
  const rows = Object.values(HTTP_FILTERS).map((row) => [code(row.name), row.status, row.securityPosture]);
  return table(["HTTP filter", "status", "security posture"], rows);
}

function listenerFilters(): string {
  const rows = Object.values(LISTENER_FILTERS).map((row) => [code(row.name), row.status, row.securityPosture]);
  return table(["listener filter", "status", "security posture"], rows);
}

/** The rows of the operators' table: each is one property at the first level of the object. */
export function accessLogOperators(): string[] {
  const { text } = readSource("host/http/formatter.ts");
  const start = text.indexOf("const OPERATORS");
  const body = text.slice(start, text.indexOf("\n};", start));
  return [...[...body.matchAll(/^ {2}([A-Z][A-Z0-9_]*):/gm)].map((match) => match[1]), ...TLS_OPERATOR_NAMES];
}

const kib = (bytes: number): string => (bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / 1024} KiB`);
const pages = (count: number): string => `${(count * 64) / 1024} MiB`;
const count = (value: number): string => value.toLocaleString("en-US");
const time = (ms: number): string => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`);

/** What each limit is about and what happens at it. A limit without a row does not compile. */
const limitRows: Readonly<Record<keyof WasmLimits, readonly [what: string, format: (value: number) => string, then: string]>> = {
  maxModuleBytes: ["size of a module", kib, "the plugin is refused"],
  maxFunctions: ["functions of a module", count, "the plugin is refused"],
  maxFunctionBodyBytes: ["size of one function", kib, "the plugin is refused"],
  maxLocals: ["locals of one function", count, "the plugin is refused"],
  maxTableEntries: ["entries of a function table", count, "the plugin is refused"],
  maxPairsBytes: ["header pairs that a guest hands in", kib, "they are refused"],
  maxPairs: ["number of such pairs", count, "they are refused"],
  maxMemoryPages: ["memory of a VM, or twice what the module starts with", pages, "`memory.grow` fails"],
  hardMaxMemoryPages: ["memory of a VM whatever it starts with", pages, "`memory.grow` fails"],
  logLinesPerSecond: ["log lines of a VM a second", count, "lines are dropped and counted"],
  logBurst: ["log lines of a VM in one burst", count, "lines are dropped and counted"],
  maxLogLineBytes: ["length of a log line", kib, "the line is cut"],
  maxMetrics: ["metrics of a VM", count, "`INTERNAL_FAILURE`"],
  maxMetricNameBytes: ["length of a metric's name", (value) => `${value} bytes`, "`INTERNAL_FAILURE`"],
  maxHttpCallsInFlightPerContext: ["callouts (HTTP and gRPC) of a context at a time", count, "`INTERNAL_FAILURE`"],
  maxHttpCallsInFlightPerPlugin: ["callouts of a plugin at a time", count, "`INTERNAL_FAILURE`"],
  maxHttpCallsPerStream: ["callouts of a stream in all", count, "`INTERNAL_FAILURE`"],
  maxHttpCallBodyBytes: ["body of an HTTP callout", kib, "`INTERNAL_FAILURE`"],
  maxHttpCallTimeoutMs: ["timeout of an HTTP callout or a gRPC call", time, "longer ones are shortened"],
  maxGrpcMessageBytes: ["one message of a gRPC call, either way", kib, "`INTERNAL_FAILURE`, or the call ends with RESOURCE_EXHAUSTED"],
  maxGrpcBufferedBytes: ["messages of a gRPC stream that wait to be sent", kib, "`INTERNAL_FAILURE`"],
  minTickPeriodMs: ["shortest tick period", time, "shorter ones are lengthened"],
  startTimeoutMs: ["start, configuration and end of a plugin", time, "the plugin fails"],
  maxReloadIntervalMs: ["longest back-off of `FAIL_RELOAD`", time, "the back-off doubles up to it"],
  maxUncompressedBytes: ["result of the foreign function `uncompress`", kib, "`SERIALIZATION_FAILURE`"],
  maxHeaders: ["entries of a header map that a guest adds to", count, "`BAD_ARGUMENT`"],
  maxHeaderBytes: ["one header that a guest makes", kib, "`BAD_ARGUMENT`"],
  maxBodyBytes: ["body after an edit", kib, "`BAD_ARGUMENT`"],
  maxFilterState: ["entries of a stream's filter state", count, "`BAD_ARGUMENT`"],
  maxFilterStateBytes: ["one entry of it", kib, "`BAD_ARGUMENT`"],
  maxPropertyPathBytes: ["path of a property", kib, "`NOT_FOUND`"],
};

function limits(): string {
  const names = Object.keys(limitRows) as (keyof WasmLimits)[];
  const rows = names.map((name) => {
    const [what, format, then] = limitRows[name];
    return [what, format(DefaultLimits[name]), then];
  });
  return table(["limit", "value", "at it"], rows);
}

function ignored(): string {
  const rows = Object.entries(ignoredFields).flatMap(([message, fields]) =>
    Object.entries(fields).map(([field, reason]) => [code(`${message.split(".").slice(-1)[0]}.${field}`), reason]),
  );
  return table(["field", "why it changes nothing"], rows);
}

function statistics(): string {
  const groups = STAT_GROUPS.map(({ prefix, about, stats }) => {
    const rows = stats.map(([name, kind, unit, help]) => [code(name), kind, unit, help]);
    return `### ${code(`${prefix}*`)}\n\n${about}.\n\n${table(["name", "kind", "unit", "meaning"], rows)}`;
  });
  return groups.join("\n\n");
}

function adminEndpoints(): string {
  const rows = ENDPOINTS.map(({ path, help, mutates, parameters }) => [
    code(path),
    mutates ? "POST" : "GET",
    help,
    parameters.map((parameter) => code(parameter.name)).join(", "),
  ]);
  return table(["path", "method", "what it does", "parameters"], rows);
}

const sections: Readonly<Record<string, () => string>> = {
  flags,
  "admin endpoints": adminEndpoints,
  "http filters": httpFilters,
  "listener filters": listenerFilters,
  "network filters": networkFilters,
  operators: () => list(accessLogOperators()),
  attributes: () => list(AttributePaths),
  "foreign functions": () => list(ForeignFunctionNames),
  limits,
  "ignored fields": ignored,
  statistics,
};

/** The document with every marked table as the code has it. */
export function render(document: string): string {
  return document.replaceAll(/(<!-- table: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g, (_whole, start: string, name: string, end: string) => {
    if (!Object.hasOwn(sections, name)) throw new Error(`no table is named "${name}"`);
    return `${start}\n${sections[name]()}\n\n${end}`;
  });
}

/** Names of the tables that a document shows. */
export function tablesIn(document: string): string[] {
  return [...document.matchAll(/<!-- table: ([\w ]+) -->/g)].map((match) => match[1]);
}

export const tableNames: readonly string[] = Object.keys(sections);
