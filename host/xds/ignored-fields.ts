// Fields that are accepted and change nothing here, each with the reason. Everything else that is set and not read is refused.
// The documentation's list is generated from this table.

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>;

const tooling = "only other tools read it";
const threads = "tunes Envoy's thread and memory model, which is not ours";
const freeStats = "tunes Envoy's stats storage, which is not ours";

export const ignoredFields: Table = {
  "envoy.config.bootstrap.v3.Bootstrap": {
    flags_path: "an old way to read runtime flags from a directory that is empty by default",
    stats_flush_interval: "stats are read when they are asked for; there is no sink to flush to",
    stats_flush_on_admin: "stats are read when they are asked for; there is no sink to flush to",
    stats_eviction_interval: freeStats,
    enable_dispatcher_stats: "there is no event dispatcher of Envoy's kind",
    stats_server_version_override: "the version is the host's",
    use_tcp_for_dns_lookups: "the system's resolver decides",
    dns_resolution_config: "the system's resolver decides",
    typed_dns_resolver_config: "the system's resolver decides",
    fatal_actions: "run when Envoy's process crashes in native code",
    inline_headers: "tunes Envoy's header map, which is not ours",
    perf_tracing_file_path: "Envoy's own profiler",
    default_regex_engine: "expressions are RE2, as with the only engine Envoy ships",
    application_log_config: "the host's log format is set by its flags",
    deferred_stat_options: freeStats,
    grpc_async_client_manager_config: threads,
    memory_allocator_manager: threads,
    enable_worker_cpu_affinity: threads,
    node_context_params: tooling,
  },
  "envoy.config.bootstrap.v3.Admin": {
    profile_path: "Envoy's own profiler",
    ignore_global_conn_limit: "the admin listener is never counted against the limit",
  },
  "envoy.config.bootstrap.v3.ClusterManager": {
    local_cluster_name: "only zone aware routing reads it",
    enable_deferred_cluster_creation: "clusters cost nothing until a worker uses them",
  },
  "envoy.config.core.v3.Node": {
    client_features: "sent to a control plane as it is",
    listening_addresses: "sent to a control plane as it is",
    extensions: "sent to a control plane as it is",
    dynamic_parameters: "sent to a control plane as it is",
    user_agent_build_version: "sent to a control plane as it is",
  },
  "envoy.config.core.v3.TypedExtensionConfig": {
    name: "the type URL decides, as in Envoy",
  },
  "envoy.config.listener.v3.Listener": {
    enable_reuse_port: "each worker has its own listening socket wherever the platform can",
    reuse_port: "each worker has its own listening socket wherever the platform can",
    connection_balance_config: "the kernel balances between the workers' sockets",
    enable_mptcp: "the kernel decides",
    max_connections_to_accept_per_socket_event: threads,
    tcp_fast_open_queue_length: "an optimisation of the handshake that Node does not expose",
  },
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": {
    http3_protocol_options: "there is no QUIC listener to use it",
    add_user_agent: "has had no effect in Envoy since v3",
  },
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": {
    downstream_idle_timeout: "has no effect in Envoy either; idle_timeout does",
    upstream_idle_timeout: "has no effect in Envoy either; idle_timeout does",
    metadata_match: "only subset load balancers read it, and those are refused",
    hash_policy: "only hashing load balancers read it, and those are refused",
  },
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": {
    metadata_match: "only subset load balancers read it, and those are refused",
  },
  "envoy.config.route.v3.VirtualHost": {
    include_is_timeout_retry_header: "tells the upstream why a retry came; no behaviour of the proxy depends on it",
  },
  "envoy.config.route.v3.Route": {
    decorator: "names spans; there is no tracer to send them to",
    tracing: "there is no tracer to send spans to",
    stat_prefix: "adds stats of one route; none are kept by route",
  },
  "envoy.config.route.v3.RouteAction": {
    hash_policy: "only hashing load balancers read it, and those are refused",
  },
  "envoy.config.cluster.v3.Cluster": {
    dns_resolvers: "the system's resolver decides",
    dns_resolution_config: "the system's resolver decides",
    typed_dns_resolver_config: "the system's resolver decides",
    use_tcp_for_dns_lookups: "the system's resolver decides",
    dns_failure_refresh_rate: "failed lookups are repeated with the refresh rate",
    dns_jitter: "lookups are spread over the refresh interval anyway",
    wait_for_warm_on_init: "a cluster waits for its endpoints in every case",
    track_timeout_budgets: freeStats,
    track_cluster_stats: freeStats,
    cleanup_interval: "only clusters of original destinations read it",
    preconnect_policy: "an optimisation: connections are made when a request needs them",
    close_connections_on_host_health_failure: "requests in flight end on their own timeouts",
    per_connection_buffer_high_watermark_timeout: "bounds a buffer that is bounded by backpressure already",
  },
  "envoy.config.cluster.v3.Cluster.CommonLbConfig": {
    zone_aware_lb_config: "zone aware routing needs a local cluster",
    locality_weighted_lb_config: "localities with weights are always weighted",
    update_merge_window: "updates are merged within one turn of the event loop",
    close_connections_on_host_set_change: "connections to a host that left are drained",
    consistent_hashing_lb_config: "only hashing load balancers read it, and those are refused",
  },
  "envoy.config.core.v3.HealthCheck": {
    always_log_health_check_failures: "there is no log of health check events to write to",
    always_log_health_check_success: "there is no log of health check events to write to",
    name: "names the check in the log of health check events",
  },
  "envoy.config.core.v3.HealthCheck.HttpHealthCheck": {
    response_buffer_size: "the body of an answer is not looked at",
  },
  "envoy.config.core.v3.TcpKeepalive": {
    keepalive_probes: "Node sets the time before the first probe only; the kernel's default holds",
    keepalive_interval: "Node sets the time before the first probe only; the kernel's default holds",
  },
  "envoy.config.endpoint.v3.Endpoint": {
    additional_addresses: "alternatives for Happy Eyeballs; the first address is used",
  },
  "envoy.config.endpoint.v3.LocalityLbEndpoints": {
    proximity: "load balancers of Envoy do not read it either",
    metadata: tooling,
  },
  "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy": {
    endpoint_stale_after: "endpoints from files have no age",
    weighted_priority_health: "priorities are chosen by the number of healthy hosts",
  },
  "envoy.extensions.wasm.v3.VmConfig": {
    allow_precompiled: "modules are compiled here",
    nack_on_code_cache_miss: "modules are fetched before a resource is accepted",
  },
  "envoy.service.discovery.v3.DiscoveryResponse": {
    canary: "no control plane takes part in a file",
    nonce: "no control plane takes part in a file",
    control_plane: "no control plane takes part in a file",
  },
};
