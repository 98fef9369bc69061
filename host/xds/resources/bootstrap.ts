// config.bootstrap.v3.Bootstrap without its static listeners and clusters, which are resources like those from files.
import type { PipeAddress, SocketAddress } from "../../config/cluster.ts";
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { Bootstrap, Node } from "../../config/snapshot.ts";
import type { ConfigSource, GrpcApi } from "../../config/extension.ts";
import { isJsonObject } from "../message.ts";
import { parseAddress } from "./address.ts";
import { parseApi, parseConfigSource } from "./config-source.ts";
import { parseRuntime } from "./runtime.ts";

const fileAccessLog = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
const downstreamConnections = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig";

export interface DynamicSources {
  readonly lds: ConfigSource | undefined;
  readonly cds: ConfigSource | undefined;
  /** dynamic_resources.ads_config. */
  readonly ads: GrpcApi | undefined;
}

export function parseBootstrap(
  reader: ConfigReader,
  ctx: ParseContext,
): { readonly bootstrap: Bootstrap; readonly sources: DynamicSources } {
  const stats = reader.message("stats_config");
  const dynamic = reader.message("dynamic_resources");
  const lds = dynamic?.message("lds_config");
  const cds = dynamic?.message("cds_config");
  const ads = dynamic?.message("ads_config");
  for (const [field, source] of [
    ["lds_config", lds],
    ["cds_config", cds],
  ] as const)
    if (ads === undefined && source?.has("ads")) dynamic?.refuse(`${field}.ads`, "dynamic_resources.ads_config is not set");
  const socketInterface = reader.text("default_socket_interface");
  if (socketInterface !== "") reader.refuse("default_socket_interface", `not implemented: ${socketInterface}`);
  reader.message("cluster_manager");
  return {
    bootstrap: {
      node: parseNode(reader.message("node")),
      admin: parseAdmin(reader.message("admin")),
      statsTags: parseTags(stats, ctx),
      useAllDefaultTags: stats?.flag("use_all_default_tags", true) ?? true,
      layeredRuntime: parseRuntime(reader.message("layered_runtime")),
      defaultSocketInterface: socketInterface,
      metadata: {},
      maxDownstreamConnections: parseOverload(reader.message("overload_manager")),
    },
    sources: {
      lds: lds === undefined ? undefined : parseConfigSource(lds),
      cds: cds === undefined ? undefined : parseConfigSource(cds),
      ads: ads === undefined ? undefined : parseApi(ads, true),
    },
  };
}

function parseNode(reader: ConfigReader | undefined): Node {
  const locality = reader?.message("locality");
  const metadata = reader?.json("metadata");
  return {
    id: reader?.text("id") ?? "",
    cluster: reader?.text("cluster") ?? "",
    metadata: isJsonObject(metadata) ? metadata : {},
    locality: { region: locality?.text("region") ?? "", zone: locality?.text("zone") ?? "", subZone: locality?.text("sub_zone") ?? "" },
    userAgentName: reader?.text("user_agent_name") ?? "",
    userAgentVersion: reader?.text("user_agent_version") ?? "",
  };
}

function parseAdmin(reader: ConfigReader | undefined): Bootstrap["admin"] {
  const address = reader?.message("address");
  const parsed: SocketAddress | PipeAddress | undefined = address === undefined ? undefined : parseAddress(address, true);
  let accessLogPath = reader?.optionalText("access_log_path");
  for (const log of reader?.messages("access_log") ?? []) {
    const config = log.any("typed_config");
    log.ignore("name");
    if (config?.typeName === fileAccessLog && accessLogPath === undefined) accessLogPath = config.message?.text("path");
    else
      log.refuse(
        "typed_config",
        config?.typeName === fileAccessLog
          ? "more than one access log is not implemented for the admin listener"
          : `not implemented: ${config?.typeName ?? ""}`,
      );
  }
  return { address: parsed, accessLogPath };
}

function parseTags(reader: ConfigReader | undefined, ctx: ParseContext): Bootstrap["statsTags"] {
  return (reader?.messages("stats_tags") ?? []).map((tag) => {
    const tagName = tag.text("tag_name");
    const regex = tag.optionalText("regex");
    const fixedValue = tag.optionalText("fixed_value");
    if (tagName === "") tag.refuse("tag_name", "tag_name cannot be empty");
    if (regex === undefined && fixedValue === undefined && !tagName.startsWith("envoy.")) {
      tag.refuse("regex", `No regex specified for tag specifier and no default regex for name: '${tagName}'`);
    }
    const reason = regex === undefined ? undefined : ctx.checkRegex(regex);
    if (reason !== undefined) tag.refuse("regex", reason);
    return { tagName, regex, fixedValue };
  });
}

/** The limit of downstream connections; 0: none was set. */
function parseOverload(reader: ConfigReader | undefined): number {
  // How often monitors are asked, and how buffers are accounted: connections are counted as they come and go.
  reader?.ignore("refresh_interval", "buffer_factory_config");
  let limit = 0;
  for (const monitor of reader?.messages("resource_monitors") ?? []) {
    const config = monitor.any("typed_config");
    monitor.ignore("name");
    if (config?.typeName !== downstreamConnections || config.message === undefined) {
      monitor.refuse("typed_config", `not implemented: ${config?.typeName ?? monitor.text("name")}`);
    } else {
      limit = config.message.number("max_active_downstream_connections");
    }
  }
  return limit;
}
