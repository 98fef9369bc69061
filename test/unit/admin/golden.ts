// What Envoy 1.40 answered for the clusters of support.ts (its order of clusters is arbitrary: ours here).

export const CLUSTERS_TEXT = `up::observability_name::up
up::default_priority::max_connections::7
up::default_priority::max_pending_requests::1024
up::default_priority::max_requests::1024
up::default_priority::max_retries::3
up::high_priority::max_connections::1024
up::high_priority::max_pending_requests::1024
up::high_priority::max_requests::1024
up::high_priority::max_retries::3
up::added_via_api::false
up::127.0.0.1:37001::cx_active::2
up::127.0.0.1:37001::cx_connect_fail::0
up::127.0.0.1:37001::cx_total::2
up::127.0.0.1:37001::rq_active::0
up::127.0.0.1:37001::rq_error::7
up::127.0.0.1:37001::rq_pending_active::0
up::127.0.0.1:37001::rq_success::14
up::127.0.0.1:37001::rq_timeout::0
up::127.0.0.1:37001::rq_total::21
up::127.0.0.1:37001::hostname::
up::127.0.0.1:37001::health_flags::healthy
up::127.0.0.1:37001::weight::1
up::127.0.0.1:37001::region::
up::127.0.0.1:37001::zone::
up::127.0.0.1:37001::sub_zone::
up::127.0.0.1:37001::canary::false
up::127.0.0.1:37001::priority::0
up::127.0.0.1:37001::success_rate::-1
up::127.0.0.1:37001::local_origin_success_rate::-1
dyn::observability_name::dyn
dyn::default_priority::max_connections::1024
dyn::default_priority::max_pending_requests::1024
dyn::default_priority::max_requests::1024
dyn::default_priority::max_retries::3
dyn::high_priority::max_connections::1024
dyn::high_priority::max_pending_requests::1024
dyn::high_priority::max_requests::1024
dyn::high_priority::max_retries::3
dyn::added_via_api::true
dyn::eds_service_name::dyn-eds
dyn::127.0.0.1:37001::cx_active::1
dyn::127.0.0.1:37001::cx_connect_fail::0
dyn::127.0.0.1:37001::cx_total::1
dyn::127.0.0.1:37001::rq_active::0
dyn::127.0.0.1:37001::rq_error::0
dyn::127.0.0.1:37001::rq_pending_active::0
dyn::127.0.0.1:37001::rq_success::1
dyn::127.0.0.1:37001::rq_timeout::0
dyn::127.0.0.1:37001::rq_total::1
dyn::127.0.0.1:37001::hostname::
dyn::127.0.0.1:37001::health_flags::healthy
dyn::127.0.0.1:37001::weight::1
dyn::127.0.0.1:37001::region::
dyn::127.0.0.1:37001::zone::
dyn::127.0.0.1:37001::sub_zone::
dyn::127.0.0.1:37001::canary::false
dyn::127.0.0.1:37001::priority::0
dyn::127.0.0.1:37001::success_rate::-1
dyn::127.0.0.1:37001::local_origin_success_rate::-1
outbound|80||a.b.svc::observability_name::alt_name
outbound|80||a.b.svc::default_priority::max_connections::1024
outbound|80||a.b.svc::default_priority::max_pending_requests::1024
outbound|80||a.b.svc::default_priority::max_requests::1024
outbound|80||a.b.svc::default_priority::max_retries::3
outbound|80||a.b.svc::high_priority::max_connections::1024
outbound|80||a.b.svc::high_priority::max_pending_requests::1024
outbound|80||a.b.svc::high_priority::max_requests::1024
outbound|80||a.b.svc::high_priority::max_retries::3
outbound|80||a.b.svc::added_via_api::true
outbound|80||a.b.svc::[::1]:37001::cx_active::0
outbound|80||a.b.svc::[::1]:37001::cx_connect_fail::0
outbound|80||a.b.svc::[::1]:37001::cx_total::0
outbound|80||a.b.svc::[::1]:37001::rq_active::0
outbound|80||a.b.svc::[::1]:37001::rq_error::0
outbound|80||a.b.svc::[::1]:37001::rq_pending_active::0
outbound|80||a.b.svc::[::1]:37001::rq_success::0
outbound|80||a.b.svc::[::1]:37001::rq_timeout::0
outbound|80||a.b.svc::[::1]:37001::rq_total::0
outbound|80||a.b.svc::[::1]:37001::hostname::h.example
outbound|80||a.b.svc::[::1]:37001::health_flags::/eds_status_draining
outbound|80||a.b.svc::[::1]:37001::weight::3
outbound|80||a.b.svc::[::1]:37001::region::r1
outbound|80||a.b.svc::[::1]:37001::zone::z1
outbound|80||a.b.svc::[::1]:37001::sub_zone::s1
outbound|80||a.b.svc::[::1]:37001::canary::true
outbound|80||a.b.svc::[::1]:37001::priority::1
outbound|80||a.b.svc::[::1]:37001::success_rate::-1
outbound|80||a.b.svc::[::1]:37001::local_origin_success_rate::-1
outbound|80||a.b.svc::/tmp/p.sock::cx_active::0
outbound|80||a.b.svc::/tmp/p.sock::cx_connect_fail::0
outbound|80||a.b.svc::/tmp/p.sock::cx_total::0
outbound|80||a.b.svc::/tmp/p.sock::rq_active::0
outbound|80||a.b.svc::/tmp/p.sock::rq_error::0
outbound|80||a.b.svc::/tmp/p.sock::rq_pending_active::0
outbound|80||a.b.svc::/tmp/p.sock::rq_success::0
outbound|80||a.b.svc::/tmp/p.sock::rq_timeout::0
outbound|80||a.b.svc::/tmp/p.sock::rq_total::0
outbound|80||a.b.svc::/tmp/p.sock::hostname::
outbound|80||a.b.svc::/tmp/p.sock::health_flags::/failed_eds_health
outbound|80||a.b.svc::/tmp/p.sock::weight::1
outbound|80||a.b.svc::/tmp/p.sock::region::r1
outbound|80||a.b.svc::/tmp/p.sock::zone::z1
outbound|80||a.b.svc::/tmp/p.sock::sub_zone::s1
outbound|80||a.b.svc::/tmp/p.sock::canary::false
outbound|80||a.b.svc::/tmp/p.sock::priority::1
outbound|80||a.b.svc::/tmp/p.sock::success_rate::-1
outbound|80||a.b.svc::/tmp/p.sock::local_origin_success_rate::-1
outbound|80||a.b.svc::127.0.0.2:37001::cx_active::0
outbound|80||a.b.svc::127.0.0.2:37001::cx_connect_fail::0
outbound|80||a.b.svc::127.0.0.2:37001::cx_total::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_active::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_error::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_pending_active::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_success::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_timeout::0
outbound|80||a.b.svc::127.0.0.2:37001::rq_total::0
outbound|80||a.b.svc::127.0.0.2:37001::hostname::
outbound|80||a.b.svc::127.0.0.2:37001::health_flags::/degraded_eds_health
outbound|80||a.b.svc::127.0.0.2:37001::weight::1
outbound|80||a.b.svc::127.0.0.2:37001::region::r1
outbound|80||a.b.svc::127.0.0.2:37001::zone::z1
outbound|80||a.b.svc::127.0.0.2:37001::sub_zone::s1
outbound|80||a.b.svc::127.0.0.2:37001::canary::false
outbound|80||a.b.svc::127.0.0.2:37001::priority::1
outbound|80||a.b.svc::127.0.0.2:37001::success_rate::-1
outbound|80||a.b.svc::127.0.0.2:37001::local_origin_success_rate::-1
`;

export const CLUSTERS_JSON: unknown = {
  cluster_statuses: [
    {
      name: "up",
      host_statuses: [
        {
          address: { socket_address: { address: "127.0.0.1", port_value: 37001 } },
          stats: [
            { name: "cx_connect_fail" },
            { value: "2", name: "cx_total" },
            { value: "7", name: "rq_error" },
            { value: "14", name: "rq_success" },
            { name: "rq_timeout" },
            { value: "21", name: "rq_total" },
            { type: "GAUGE", value: "2", name: "cx_active" },
            { type: "GAUGE", name: "rq_active" },
            { type: "GAUGE", name: "rq_pending_active" },
          ],
          health_status: { eds_health_status: "HEALTHY" },
          weight: 1,
          locality: {},
        },
      ],
      circuit_breakers: {
        thresholds: [
          { max_connections: 7, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
          { priority: "HIGH", max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
        ],
      },
      observability_name: "up",
    },
    {
      name: "dyn",
      added_via_api: true,
      host_statuses: [
        {
          address: { socket_address: { address: "127.0.0.1", port_value: 37001 } },
          stats: [
            { name: "cx_connect_fail" },
            { value: "1", name: "cx_total" },
            { name: "rq_error" },
            { value: "1", name: "rq_success" },
            { name: "rq_timeout" },
            { value: "1", name: "rq_total" },
            { type: "GAUGE", value: "1", name: "cx_active" },
            { type: "GAUGE", name: "rq_active" },
            { type: "GAUGE", name: "rq_pending_active" },
          ],
          health_status: { eds_health_status: "HEALTHY" },
          weight: 1,
          locality: {},
        },
      ],
      circuit_breakers: {
        thresholds: [
          { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
          { priority: "HIGH", max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
        ],
      },
      observability_name: "dyn",
      eds_service_name: "dyn-eds",
    },
    {
      name: "outbound|80||a.b.svc",
      added_via_api: true,
      host_statuses: [
        {
          address: { socket_address: { address: "::1", port_value: 37001 } },
          stats: [
            { name: "cx_connect_fail" },
            { name: "cx_total" },
            { name: "rq_error" },
            { name: "rq_success" },
            { name: "rq_timeout" },
            { name: "rq_total" },
            { type: "GAUGE", name: "cx_active" },
            { type: "GAUGE", name: "rq_active" },
            { type: "GAUGE", name: "rq_pending_active" },
          ],
          health_status: { eds_health_status: "DRAINING" },
          weight: 3,
          hostname: "h.example",
          priority: 1,
          locality: { region: "r1", zone: "z1", sub_zone: "s1" },
        },
        {
          address: { pipe: { path: "/tmp/p.sock" } },
          stats: [
            { name: "cx_connect_fail" },
            { name: "cx_total" },
            { name: "rq_error" },
            { name: "rq_success" },
            { name: "rq_timeout" },
            { name: "rq_total" },
            { type: "GAUGE", name: "cx_active" },
            { type: "GAUGE", name: "rq_active" },
            { type: "GAUGE", name: "rq_pending_active" },
          ],
          health_status: { eds_health_status: "UNHEALTHY" },
          weight: 1,
          priority: 1,
          locality: { region: "r1", zone: "z1", sub_zone: "s1" },
        },
        {
          address: { socket_address: { address: "127.0.0.2", port_value: 37001 } },
          stats: [
            { name: "cx_connect_fail" },
            { name: "cx_total" },
            { name: "rq_error" },
            { name: "rq_success" },
            { name: "rq_timeout" },
            { name: "rq_total" },
            { type: "GAUGE", name: "cx_active" },
            { type: "GAUGE", name: "rq_active" },
            { type: "GAUGE", name: "rq_pending_active" },
          ],
          health_status: { eds_health_status: "DEGRADED" },
          weight: 1,
          priority: 1,
          locality: { region: "r1", zone: "z1", sub_zone: "s1" },
        },
      ],
      circuit_breakers: {
        thresholds: [
          { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
          { priority: "HIGH", max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 },
        ],
      },
      observability_name: "alt_name",
    },
  ],
};

/** From /config_dump?include_eds. */
export const ENDPOINTS_DUMP: unknown = {
  "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
  static_endpoint_configs: [
    {
      endpoint_config: {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name: "up",
        endpoints: [
          {
            locality: {},
            lb_endpoints: [
              {
                endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 37001 } }, health_check_config: {} },
                health_status: "HEALTHY",
                load_balancing_weight: 1,
              },
            ],
            load_balancing_weight: 0,
          },
        ],
        policy: { overprovisioning_factor: 140 },
      },
    },
  ],
  dynamic_endpoint_configs: [
    {
      endpoint_config: {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name: "dyn-eds",
        endpoints: [
          {
            locality: {},
            lb_endpoints: [
              {
                endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 37001 } }, health_check_config: {} },
                health_status: "HEALTHY",
                load_balancing_weight: 1,
              },
            ],
            load_balancing_weight: 0,
          },
        ],
        policy: { overprovisioning_factor: 140 },
      },
    },
    {
      endpoint_config: {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name: "outbound|80||a.b.svc",
        endpoints: [
          {
            locality: { region: "r1", zone: "z1", sub_zone: "s1" },
            lb_endpoints: [
              {
                endpoint: {
                  address: { socket_address: { address: "::1", port_value: 37001 } },
                  health_check_config: {},
                  hostname: "h.example",
                },
                health_status: "UNHEALTHY",
                metadata: { filter_metadata: { "envoy.lb": { canary: true } } },
                load_balancing_weight: 3,
              },
              {
                endpoint: { address: { pipe: { path: "/tmp/p.sock" } }, health_check_config: {} },
                health_status: "UNHEALTHY",
                load_balancing_weight: 1,
              },
              {
                endpoint: { address: { socket_address: { address: "127.0.0.2", port_value: 37001 } }, health_check_config: {} },
                health_status: "DEGRADED",
                load_balancing_weight: 1,
              },
            ],
            load_balancing_weight: 0,
            priority: 1,
          },
        ],
        policy: { overprovisioning_factor: 140 },
      },
    },
  ],
};
