// config.accesslog.v3.AccessLogFilter, shared by access logs and local replies.
import type { AccessLogFilter, Comparison } from "../../config/access-log.ts";
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import { parseFraction, parseHeaderMatcher } from "./matchers.ts";

const grpcStatuses = [
  "OK",
  "CANCELED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

type Parse = (reader: ConfigReader, ctx: ParseContext) => AccessLogFilter;

const filters: Readonly<Record<string, Parse>> = {
  status_code_filter: (reader) => ({ kind: "status_code", comparison: parseComparison(reader) }),
  duration_filter: (reader) => ({ kind: "duration", comparison: parseComparison(reader) }),
  not_health_check_filter: () => ({ kind: "not_health_check" }),
  traceable_filter: () => ({ kind: "traceable" }),
  runtime_filter: (reader) => ({
    kind: "runtime",
    fraction: { runtimeKey: reader.text("runtime_key"), ...parseFraction(reader.message("percent_sampled")) },
    useIndependentRandomness: reader.flag("use_independent_randomness"),
  }),
  and_filter: (reader, ctx) => ({ kind: "and", filters: reader.messages("filters").map((inner) => parseAccessLogFilter(inner, ctx)) }),
  or_filter: (reader, ctx) => ({ kind: "or", filters: reader.messages("filters").map((inner) => parseAccessLogFilter(inner, ctx)) }),
  header_filter: (reader, ctx) => {
    const header = reader.message("header");
    const absent = { name: "", invert: false, treatMissingAsEmpty: false, match: { kind: "present", present: true } } as const;
    return { kind: "header", matcher: header === undefined ? absent : parseHeaderMatcher(header, ctx) };
  },
  response_flag_filter: (reader) => ({ kind: "response_flag", flags: reader.texts("flags") }),
  grpc_status_filter: (reader) => ({
    kind: "grpc_status",
    statuses: reader.texts("statuses").map((status) => grpcStatuses.indexOf(status)),
    exclude: reader.flag("exclude"),
  }),
};

export function parseAccessLogFilter(reader: ConfigReader, ctx: ParseContext): AccessLogFilter {
  const kind = reader.which("filter_specifier");
  const parse = kind === undefined ? undefined : filters[kind];
  // Other kinds are left unread, so they are refused as not implemented; what stands in for them is never used.
  if (kind === undefined || parse === undefined) return { kind: "traceable" };
  const inner = reader.message(kind);
  return inner === undefined ? { kind: "traceable" } : parse(inner, ctx);
}

function parseComparison(reader: ConfigReader): Comparison {
  const comparison = reader.message("comparison");
  const value = comparison?.message("value");
  return {
    op: comparison?.choice<Comparison["op"]>("op", "EQ") ?? "EQ",
    value: value?.number("default_value") ?? 0,
    runtimeKey: value?.text("runtime_key") ?? "",
  };
}
