// core.v3.HealthCheck, and what an endpoint says of its own checks.
import type { ConfigReader } from "../../config/extension.ts";
import type { EndpointHealthCheck, HealthCheck, HealthProbe, StatusRange } from "../../config/health-check.ts";
import type { HeaderToAdd } from "../../config/route.ts";
import type { ResourceContext } from "../context.ts";
import { parseHeadersToAdd } from "./headers.ts";
import { parseStringMatcher } from "./matchers.ts";

const NO_PROBE: HealthProbe = { kind: "tcp", send: new Uint8Array(0), receive: [] };

export function parseHealthChecks(readers: readonly ConfigReader[], speaksHttp2: boolean, ctx: ResourceContext): readonly HealthCheck[] {
  for (const reader of readers.slice(1)) reader.refuse("", "Multiple health checks per cluster are not supported");
  return readers.slice(0, 1).flatMap((reader) => {
    const probe = parseProbe(reader, speaksHttp2, ctx);
    // The rest is read in any case: it is not what was refused.
    const check = parseHealthCheck(reader, probe ?? NO_PROBE);
    return probe === undefined ? [] : [check];
  });
}

function parseHealthCheck(reader: ConfigReader, probe: HealthProbe): HealthCheck {
  const intervalMs = reader.durationMs("interval");
  const noTrafficIntervalMs = reader.durationMs("no_traffic_interval", 60_000);
  const unhealthyIntervalMs = reader.durationMs("unhealthy_interval", intervalMs);
  return {
    probe,
    timeoutMs: reader.durationMs("timeout"),
    intervalMs,
    initialJitterMs: reader.durationMs("initial_jitter"),
    intervalJitterMs: reader.durationMs("interval_jitter"),
    intervalJitterPercent: reader.number("interval_jitter_percent"),
    unhealthyThreshold: reader.number("unhealthy_threshold", 1),
    healthyThreshold: reader.number("healthy_threshold", 1),
    reuseConnection: reader.flag("reuse_connection", true),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: reader.durationMs("no_traffic_healthy_interval", noTrafficIntervalMs),
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: reader.durationMs("unhealthy_edge_interval", unhealthyIntervalMs),
    healthyEdgeIntervalMs: reader.durationMs("healthy_edge_interval", intervalMs),
  };
}

function parseProbe(reader: ConfigReader, speaksHttp2: boolean, ctx: ResourceContext): HealthProbe | undefined {
  switch (reader.which("health_checker")) {
    case "http_health_check":
      return parseHttp(reader.message("http_health_check") as ConfigReader, ctx);
    case "grpc_health_check": {
      const grpc = reader.message("grpc_health_check") as ConfigReader;
      if (!speaksHttp2) reader.refuse("grpc_health_check", "cluster must support HTTP/2 for gRPC healthchecking");
      return {
        kind: "grpc",
        serviceName: grpc.text("service_name"),
        authority: grpc.text("authority"),
        metadata: parseLiteralHeaders(grpc.messages("initial_metadata"), ctx),
      };
    }
    case "tcp_health_check": {
      const tcp = reader.message("tcp_health_check") as ConfigReader;
      const send = tcp.message("send");
      return {
        kind: "tcp",
        send: send === undefined ? new Uint8Array(0) : parsePayload(send),
        receive: tcp.messages("receive").map(parsePayload),
      };
    }
    default:
      if (reader.has("custom_health_check")) reader.refuse("custom_health_check", "not implemented");
      return undefined;
  }
}

function parseHttp(reader: ConfigReader, ctx: ResourceContext): HealthProbe {
  const matcher = reader.message("service_name_matcher");
  const method = reader.choice<string>("method", "METHOD_UNSPECIFIED");
  const codec = reader.choice<string>("codec_client_type", "HTTP1");
  if (codec === "HTTP3") reader.refuse("codec_client_type", "HTTP3 is not implemented");
  const expected = parseStatuses(reader, "expected_statuses");
  return {
    kind: "http",
    protocol: codec === "HTTP2" ? "HTTP2" : "HTTP1",
    host: reader.text("host"),
    path: reader.text("path"),
    method: method === "METHOD_UNSPECIFIED" ? "GET" : method,
    headersToAdd: parseLiteralHeaders(reader.messages("request_headers_to_add"), ctx),
    headersToRemove: reader.texts("request_headers_to_remove").map((name) => name.toLowerCase()),
    expectedStatuses: expected.length === 0 ? [[200, 201]] : expected,
    retriableStatuses: parseStatuses(reader, "retriable_statuses"),
    serviceName: matcher === undefined ? undefined : parseStringMatcher(matcher, ctx),
  };
}

/** A check belongs to no request that command operators could speak of. */
function parseLiteralHeaders(readers: readonly ConfigReader[], ctx: ResourceContext): readonly HeaderToAdd[] {
  return parseHeadersToAdd(readers, ctx).map((header, index) => {
    if (/%[A-Z]/.test(header.value)) readers[index].refuse("header", "command operators are not implemented in health checks");
    return { ...header, value: header.value.replaceAll("%%", "%") };
  });
}

function parseStatuses(reader: ConfigReader, field: string): readonly StatusRange[] {
  return reader.messages(field).map((range) => {
    const start = range.number("start");
    const end = range.number("end");
    if (start >= end) range.refuse("", `Invalid http status range: expecting start < end, but found start=${start} and end=${end}`);
    else if (start < 100) range.refuse("start", `Invalid http status range: expecting start >= 100, but found start=${start}`);
    else if (end > 600) range.refuse("end", `Invalid http status range: expecting end <= 600, but found end=${end}`);
    return [start, end];
  });
}

/** `text` is hexadecimal. */
function parsePayload(reader: ConfigReader): Uint8Array {
  const text = reader.optionalText("text");
  if (text === undefined) return reader.bytes("binary") ?? new Uint8Array(0);
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(text)) reader.refuse("text", `invalid hex string '${text}'`);
  return Buffer.from(text, "hex");
}

export function parseEndpointHealthCheck(reader: ConfigReader | undefined): EndpointHealthCheck | undefined {
  if (reader === undefined) return undefined;
  if (reader.has("address")) reader.refuse("address", "not implemented: checks go to the endpoint's own address");
  return { port: reader.number("port_value"), hostname: reader.text("hostname"), disabled: reader.flag("disable_active_health_check") };
}
