// Envoy's default tags ("Statistics: default tags", config.metrics.v3.StatsConfig.use_all_default_tags): which part of a stat's name
// becomes a tag. The first group of a pattern is cut out of the name, the second is the tag's value. Every pattern sees the whole
// name. Checked against the Prometheus output of a real Envoy by the tests of this folder.

export interface TagPattern {
  readonly tagName: string;
  readonly pattern: RegExp;
  /** First token of the names it can match; undefined: any. Decides the order of tags: those without come first. */
  readonly firstToken: string | undefined;
}

const anywhere = (tagName: string, pattern: RegExp): TagPattern => ({ tagName, pattern, firstToken: undefined });
const below = (firstToken: string, tagName: string, pattern: RegExp): TagPattern => ({ tagName, pattern, firstToken });

export const DEFAULT_TAGS: readonly TagPattern[] = [
  anywhere("envoy.response_code", /_rq(_(\d{3}))$/d),
  anywhere("envoy.response_code_class", /_rq_((\d))xx$/d),
  anywhere(
    "envoy.worker_id",
    /^(?:listener\.(?:\d+(?:\.\d+){3}_\d+|[^.]+)|listener_manager|server|thread_local_cluster_manager)\.worker_((\d+)\.)/d,
  ),
  // Ours: labels of metrics of Istio's agent.
  below("istio_agent_wasm_cache_lookup_count", "hit", /^istio_agent_wasm_cache_lookup_count(\.hit\.(true|false))$/d),
  below("istio_agent_wasm_remote_fetch_count", "result", /^istio_agent_wasm_remote_fetch_count(\.result\.(\w+))$/d),
  below("istio_agent_wasm_config_conversion_count", "result", /^istio_agent_wasm_config_conversion_count(\.result\.(\w+))$/d),
  anywhere("envoy.tls_certificate", /^(?:listener|cluster)\..*\.ssl\.certificate\.(([^.]+)\.)/d),
  below("cluster", "envoy.grpc_bridge_method", /^cluster\.[^.]+\.grpc\.[^.]+\.(([^.]+)\.)/d),
  below("http", "envoy.http_user_agent", /^http\.[^.]+\.user_agent\.(([^.]+)\.)/d),
  below("vhost", "envoy.virtual_cluster", /^vhost\.[^.]+\.vcluster\.(([^.]+)\.)/d),
  below("vhost", "envoy.route", /^vhost\.[^.]+\.route\.(([^.]+)\.)/d),
  below("http", "envoy.fault_downstream_cluster", /^http\.[^.]+\.fault\.(([^.]+)\.)/d),
  below("listener", "envoy.ssl_cipher", /^listener\..*?\.ssl\.ciphers?(\.(.*))$/d),
  below("cluster", "envoy.ssl_cipher_suite", /^cluster\.[^.]+\.ssl\.ciphers(\.(.*))$/d),
  below("cluster", "envoy.grpc_bridge_service", /^cluster\.[^.]+\.grpc\.(([^.]+)\.)/d),
  below("tcp", "envoy.tcp_prefix", /^tcp\.(([^.]+)\.)/d),
  below("udp", "envoy.udp_prefix", /^udp\.(([^.]+)\.)/d),
  below("auth", "envoy.clientssl_prefix", /^auth\.clientssl\.(([^.]+)\.)/d),
  below("ratelimit", "envoy.ratelimit_prefix", /^ratelimit\.(([^.]+)\.)/d),
  below("http", "envoy.rds_route_config", /^http\.[^.]+\.rds\.((.*?)\.)\w+$/d),
  below("http", "envoy.scoped_rds_config", /^http\.[^.]+\.scoped_rds\.((.*?)\.)\w+$/d),
  below("cluster", "envoy.cluster_name", /^cluster\.(([^.]+)\.)/d),
  below("listener", "envoy.http_conn_manager_prefix", /^listener\..*?\.http\.(([^.]+)\.)/d),
  below("http", "envoy.http_conn_manager_prefix", /^http\.(([^.]+)\.)/d),
  // The admin listener has no address of its own; IPv4 addresses have dots, of other names only the first token counts.
  below("listener", "envoy.listener_address", /^listener\.((\d+(?:\.\d+){3}_\d+|(?!admin\.)[^.]+)\.)/d),
  below("vhost", "envoy.virtual_host", /^vhost\.(([^.]+)\.)/d),
];
