// The part of the catalogue of statistics about streams from a control plane.
import type { StatGroup, StatRow } from "./catalog.ts";

const STREAM_STATS: readonly StatRow[] = [
  ["connected_state", "gauge", "", "1: there is a connection to the control plane"],
  ["pending_requests", "gauge", "", "Messages that wait until they can be written"],
  ["rx_message_too_large", "counter", "", "Streams ended by a message over the limit of 64 MiB"],
  ["rx_message_broken", "counter", "", "Streams ended by bytes that are no discovery message"],
  ["overflow", "counter", "", "Streams ended because too many responses waited to be applied or answered"],
];

export const CONTROL_PLANE_GROUPS: readonly StatGroup[] = [
  { prefix: "control_plane.", about: "The aggregated stream of discovery messages", stats: STREAM_STATS },
  { prefix: "control_plane.<kind>.", about: "A stream of its own for one type of resource", stats: STREAM_STATS },
];
