// core.v3.ConfigSource: where dynamic resources come from: a file, the aggregated stream of the bootstrap, or a stream of their own.
import type { ConfigReader } from "../../config/extension.ts";
import type { ConfigSource, GrpcApi } from "../../config/extension.ts";
import { parseGrpcService } from "./grpc-service.ts";

/** Envoy's default of initial_fetch_timeout. */
const DEFAULT_FETCH_TIMEOUT_MS = 15_000;

export function parseConfigSource(reader: ConfigReader): ConfigSource | undefined {
  const initialFetchTimeoutMs = reader.optionalDurationMs("initial_fetch_timeout") ?? DEFAULT_FETCH_TIMEOUT_MS;
  refuseVersion2(reader, "resource_api_version");
  const kind = reader.which("config_source_specifier");
  if (kind === "path") {
    const path = reader.text("path");
    return { kind: "path", key: path, path, watchedDirectory: undefined, initialFetchTimeoutMs };
  }
  if (kind === "path_config_source") {
    const source = reader.message("path_config_source");
    // fs.watch reports changes; where it cannot, the directory is read again at an interval of our own.
    source?.ignore("poll_interval");
    const path = source?.text("path") ?? "";
    return { kind: "path", key: path, path, watchedDirectory: source?.message("watched_directory")?.text("path"), initialFetchTimeoutMs };
  }
  if (kind === "ads") {
    reader.message("ads");
    return { kind: "ads", key: "ads", initialFetchTimeoutMs };
  }
  if (kind === "api_config_source") {
    const source = reader.message("api_config_source");
    const api = source === undefined ? undefined : parseApi(source, false);
    return api === undefined ? undefined : { kind: "grpc", key: JSON.stringify(api), api, initialFetchTimeoutMs };
  }
  if (kind !== undefined) reader.refuse(kind, "not implemented: give ads, api_config_source or path_config_source");
  return undefined;
}

/** core.v3.ApiConfigSource. `isAggregated`: it stands in ads_config. */
export function parseApi(reader: ConfigReader, isAggregated: boolean): GrpcApi | undefined {
  const type = reader.choice<string>("api_type", "DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE");
  refuseVersion2(reader, "transport_api_version");
  // The node goes with the first message of a stream alone; that is all that it could ask for. A stream has no request timeout,
  // and nothing is polled.
  reader.ignore("set_node_on_first_message_only", "request_timeout", "refresh_delay");
  if (reader.has("rate_limit_settings")) reader.refuse("rate_limit_settings", "not implemented");
  const isDelta = type === "DELTA_GRPC";
  if (!isDelta && type !== "GRPC") {
    const given = type.startsWith("AGGREGATED") && !isAggregated ? `${type}: give ads` : type;
    reader.refuse("api_type", `not implemented: ${given}`);
  }
  if (reader.texts("cluster_names").length > 0)
    reader.refuse("cluster_names", "(DELTA_)GRPC must not have a cluster name specified; give grpc_services");
  const services = reader.messages("grpc_services");
  if (services.length !== 1) {
    reader.refuse("grpc_services", "(DELTA_)GRPC must have a single gRPC service specified");
    return undefined;
  }
  const service = parseGrpcService(services[0]);
  return service === undefined ? undefined : { isDelta, service };
}

function refuseVersion2(reader: ConfigReader, field: string): void {
  if (reader.choice<"AUTO" | "V2" | "V3">(field, "AUTO") === "V2")
    reader.refuse(field, "V2 (and AUTO) xDS transport protocol versions are deprecated");
}
