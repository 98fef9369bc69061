// The part of the catalogue of statistics about connections without a protocol: the TCP proxy and the network filters.
import type { StatGroup } from "./catalog.ts";

export const TCP_GROUPS: readonly StatGroup[] = [
  {
    prefix: "tcp.<stat_prefix>.",
    about: "One for each stat_prefix of TcpProxy",
    stats: [
      ["downstream_cx_total", "counter", "", "Connections"],
      ["downstream_cx_no_route", "counter", "", "Connections whose cluster is not there"],
      ["downstream_cx_rx_bytes_total", "counter", "bytes", "Received from clients"],
      ["downstream_cx_tx_bytes_total", "counter", "bytes", "Sent to clients"],
      ["downstream_flow_control_paused_reading_total", "counter", "", "Times that reading from a client paused: the upstream is slower"],
      ["downstream_flow_control_resumed_reading_total", "counter", "", "Times that reading from a client went on"],
      ["early_data_received_count_total", "counter", "", "Connections that sent something before the upstream was connected"],
      ["idle_timeout", "counter", "", "Connections closed by idle_timeout"],
      ["max_downstream_connection_duration", "counter", "", "Connections closed by max_downstream_connection_duration"],
      ["upstream_flush_total", "counter", "", "Connections whose client left before the upstream had got everything"],
      ["upstream_flush_active", "gauge", "", "Those of them that still flush"],
    ],
  },
  {
    prefix: "metadata_exchange.",
    about: "istio.metadata_exchange on connections, of clients and to hosts together",
    stats: [
      ["alpn_protocol_found", "counter", "", "Connections whose TLS agreed on the exchange"],
      ["alpn_protocol_not_found", "counter", "", "Connections without it"],
      ["initial_header_not_found", "counter", "", "Exchanges whose peer sent no frame"],
      ["header_not_found", "counter", "", "Frames that do not say who the peer is"],
      ["metadata_added", "counter", "", "Frames that say who the peer is"],
    ],
  },
  {
    prefix: "istio_stats.",
    about: "The standard metrics of Istio themselves",
    stats: [["series_overflow", "counter", "", "Requests and reports whose labels were new when there were too many already"]],
  },
  {
    prefix: "istiocustom.istio_",
    about: "The standard metrics of Istio, one for each set of labels; in Prometheus without istiocustom, with labels",
    stats: [
      ["requests_total;.;<labels>", "counter", "", "Requests"],
      [
        "request_duration_milliseconds;.;<labels>",
        "histogram",
        "milliseconds",
        "From the first byte of a request to the last of its response",
      ],
      ["request_bytes;.;<labels>", "histogram", "bytes", "Headers and bodies of requests"],
      ["response_bytes;.;<labels>", "histogram", "bytes", "Headers and bodies of responses"],
      ["request_messages_total;.;<labels>", "counter", "", "Messages of gRPC clients"],
      ["response_messages_total;.;<labels>", "counter", "", "Messages to gRPC clients"],
      ["tcp_sent_bytes_total;.;<labels>", "counter", "bytes", "Sent to clients of connections"],
      ["tcp_received_bytes_total;.;<labels>", "counter", "bytes", "Received from clients of connections"],
      ["tcp_connections_opened_total;.;<labels>", "counter", "", "Connections opened"],
      ["tcp_connections_closed_total;.;<labels>", "counter", "", "Connections closed"],
      ["build;.;<labels>", "gauge", "", "1, with the version that the proxy stands for"],
    ],
  },
  {
    prefix: "<stat_prefix>rbac.",
    about: "One for each stat_prefix of the RBAC network filter; the prefix brings its own dot",
    stats: [
      ["allowed", "counter", "", "Connections allowed; with CONTINUOUS, checks that allowed"],
      ["denied", "counter", "", "Connections denied"],
      ["<shadow_rules_stat_prefix>.shadow_allowed", "counter", "", "What the shadow rules would have allowed"],
      ["<shadow_rules_stat_prefix>.shadow_denied", "counter", "", "What the shadow rules would have denied"],
      ["shadow_allowed", "counter", "", "What the shadow rules would have allowed, without shadow_rules_stat_prefix"],
      ["shadow_denied", "counter", "", "What the shadow rules would have denied, without shadow_rules_stat_prefix"],
    ],
  },
  {
    prefix: "local_rate_limit.<stat_prefix>.",
    about: "One for each stat_prefix of the network filter LocalRateLimit",
    stats: [["rate_limited", "counter", "", "Connections closed because there was no token"]],
  },
  {
    prefix: "connection_limit.<stat_prefix>.",
    about: "One for each stat_prefix of ConnectionLimit",
    stats: [
      ["limited_connections", "counter", "", "Connections closed because there were too many"],
      ["active_connections", "gauge", "", "Open connections, those about to be closed among them"],
    ],
  },
];
