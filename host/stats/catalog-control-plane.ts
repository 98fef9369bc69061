// The part of the catalogue of statistics about streams from a control plane, and the subscriptions on them.
import type { StatGroup, StatRow } from "./catalog.ts";

const STREAM_STATS: readonly StatRow[] = [
  ["identifier", "text", "", "What the control plane calls itself"],
  ["connected_state", "gauge", "", "1: there is a connection to the control plane"],
  ["pending_requests", "gauge", "", "Messages that wait until they can be written"],
  ["disconnected_since", "gauge", "milliseconds", "Since when there is none, from 1970; 0: there is one"],
  ["rx_message_too_large", "counter", "", "Streams ended by a message over the limit of 64 MiB"],
  ["rx_message_broken", "counter", "", "Streams ended by bytes that are no discovery message"],
  ["overflow", "counter", "", "Streams ended because too many responses waited to be applied or answered"],
];

/** Envoy's "xDS subscription statistics". */
const SUBSCRIPTION_STATS: readonly StatRow[] = [
  ["version_text", "text", "", "The version in force, as the control plane wrote it"],
  ["update_attempt", "counter", "", "Times that it was asked for"],
  ["update_success", "counter", "", "Updates that were taken"],
  ["update_rejected", "counter", "", "Updates that were refused, whole or in part"],
  ["update_failure", "counter", "", "Streams that broke or could not be opened"],
  ["init_fetch_timeout", "counter", "", "Nothing came within initial_fetch_timeout"],
  ["version", "gauge", "", "A number made of the version in force"],
  ["update_time", "gauge", "milliseconds", "When the last update was taken, from 1970"],
  ["update_duration", "histogram", "milliseconds", "How long reading an update took"],
];

const SUBSCRIPTIONS: readonly (readonly [prefix: string, about: string])[] = [
  ["cluster_manager.cds.", "The subscription to clusters"],
  ["listener_manager.lds.", "The subscription to listeners"],
  ["http.<stat_prefix>.rds.<route_config_name>.", "The subscription to a route table"],
  ["cluster.<name>.", "The subscription to the endpoints of a cluster"],
  ["sds.<name>.", "The subscription to a secret"],
  ["extension_config_discovery.http_filter.<name>.", "The subscription to a filter's configuration"],
];

export const CONTROL_PLANE_GROUPS: readonly StatGroup[] = [
  { prefix: "control_plane.", about: "The aggregated stream of discovery messages", stats: STREAM_STATS },
  { prefix: "control_plane.<kind>.", about: "A stream of its own for one type of resource", stats: STREAM_STATS },
  ...SUBSCRIPTIONS.map(([prefix, about]) => ({ prefix, about, stats: SUBSCRIPTION_STATS })),
];
