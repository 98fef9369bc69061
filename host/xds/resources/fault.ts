// extensions.filters.http.fault.v3.HTTPFault, of the chain and of routes alike.
import type { ConfigReader, HttpFilterExtension, ParseContext } from "../../config/extension.ts";
import type { FaultAbort, FaultConfig } from "../../config/http-filters.ts";
import type { Metadata } from "../../config/route.ts";
import { isJsonObject } from "../message.ts";
import { parseFraction, parseHeaderMatcher } from "./matchers.ts";

const TYPE = "envoy.extensions.filters.http.fault.v3.HTTPFault";

export const fault: HttpFilterExtension = {
  name: "envoy.filters.http.fault",
  typeNames: [TYPE],
  isTerminal: false,
  parse: (reader, { name, disabled }, ctx) => ({ kind: "fault", name, disabled, config: parseFault(reader, ctx) }),
  perRoute: { typeNames: [TYPE], parse: parseFault },
};

function parseFault(reader: ConfigReader, ctx: ParseContext): FaultConfig {
  return {
    delay: parseDelay(reader.message("delay")),
    abort: parseAbort(reader.message("abort")),
    responseRateLimit: parseRateLimit(reader.message("response_rate_limit")),
    upstreamCluster: reader.text("upstream_cluster"),
    headers: reader.messages("headers").map((matcher) => parseHeaderMatcher(matcher, ctx)),
    downstreamNodes: reader.texts("downstream_nodes"),
    maxActiveFaults: reader.optionalNumber("max_active_faults"),
    runtime: {
      delayPercent: reader.text("delay_percent_runtime") || "fault.http.delay.fixed_delay_percent",
      delayDuration: reader.text("delay_duration_runtime") || "fault.http.delay.fixed_duration_ms",
      abortPercent: reader.text("abort_percent_runtime") || "fault.http.abort.abort_percent",
      abortHttpStatus: reader.text("abort_http_status_runtime") || "fault.http.abort.http_status",
      abortGrpcStatus: reader.text("abort_grpc_status_runtime") || "fault.http.abort.grpc_status",
      maxActiveFaults: reader.text("max_active_faults_runtime") || "fault.http.max_active_faults",
      responseRateLimitPercent: reader.text("response_rate_limit_percent_runtime") || "fault.http.rate_limit.response_percent",
    },
    disableDownstreamClusterStats: reader.flag("disable_downstream_cluster_stats"),
    filterMetadata: asStruct(reader.json("filter_metadata")),
  };
}

function asStruct(json: unknown): Metadata[string] {
  return isJsonObject(json) ? json : {};
}

function parseDelay(reader: ConfigReader | undefined): FaultConfig["delay"] {
  if (reader === undefined) return undefined;
  reader.ignore("header_delay");
  return { fixedMs: reader.optionalDurationMs("fixed_delay"), percentage: parseFraction(reader.message("percentage")) };
}

function parseRateLimit(reader: ConfigReader | undefined): FaultConfig["responseRateLimit"] {
  if (reader === undefined) return undefined;
  reader.ignore("header_limit");
  return { kbps: reader.message("fixed_limit")?.number("limit_kbps"), percentage: parseFraction(reader.message("percentage")) };
}

function parseAbort(reader: ConfigReader | undefined): FaultAbort | undefined {
  if (reader === undefined) return undefined;
  reader.ignore("header_abort");
  const kind = reader.which("error_type");
  const error: FaultAbort["error"] =
    kind === "http_status"
      ? { kind: "http", status: reader.number("http_status") }
      : kind === "grpc_status"
        ? { kind: "grpc", status: reader.number("grpc_status") }
        : { kind: "header" };
  return { error, percentage: parseFraction(reader.message("percentage")), responseBody: reader.text("response_body") };
}
