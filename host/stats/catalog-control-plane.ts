// The part of the catalogue of statistics about streams from a control plane, and the subscriptions on them.
import type { StatGroup, StatRow } from "./catalog.ts";

const STREAM_STATS: readonly StatRow[] = [
  ["identifier", "text", "", "What the control plane calls itself"],
  ["connected_state", "gauge", "", "1: there is a connection to the control plane"],
  ["pending_requests", "gauge", "", "Messages that wait until they can be written"],
  ["rx_message_too_large", "counter", "", "Streams ended by a message over the limit of 64 MiB"],
  ["rx_message_broken", "counter", "", "Streams ended by bytes that are no discovery message"],
  ["overflow", "counter", "", "Streams ended because too many responses waited to be applied or answered"],
];

/** Envoy's "xDS subscription statistics". */
const SUBSCRIPTION_STATS: readonly StatRow[] = [
  ["version_text", "text", "", "The version in force, as the control plane wrote it"],
  ["init_fetch_timeout", "counter", "", "Waits for the first answer that were given up"],
  ["update_attempt", "counter", "", "Times it was asked for"],
  ["update_success", "counter", "", "Answers that are in force"],
  ["update_failure", "counter", "", "Answers that did not come because the stream broke"],
  ["update_rejected", "counter", "", "Answers that were refused"],
  ["update_time", "gauge", "milliseconds since 1970", "When the last good answer came"],
  ["version", "gauge", "", "A number of the version in force, another one for another version"],
  ["update_duration", "histogram", "milliseconds", "How long it took to read an answer"],
];

const SUBSCRIPTIONS: readonly (readonly [prefix: string, about: string])[] = [
  ["cluster_manager.cds.", "The subscription to clusters"],
  ["listener_manager.lds.", "The subscription to listeners"],
  ["http.<stat_prefix>.rds.<route_config_name>.", "A route configuration's subscription"],
  ["extension_config_discovery.http_filter.<name>.", "The subscription of an HTTP filter's configuration"],
  ["sds.<name>.", "A secret's subscription"],
];

export const CONTROL_PLANE_GROUPS: readonly StatGroup[] = [
  { prefix: "control_plane.", about: "The aggregated stream of discovery messages", stats: STREAM_STATS },
  { prefix: "control_plane.<kind>.", about: "A stream of its own for one type of resource", stats: STREAM_STATS },
  ...SUBSCRIPTIONS.map(([prefix, about]) => ({ prefix, about, stats: SUBSCRIPTION_STATS })),
];
