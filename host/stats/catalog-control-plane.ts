// The part of the catalogue of statistics about streams from a control plane.
import type { StatGroup } from "./catalog.ts";

export const CONTROL_PLANE_GROUPS: readonly StatGroup[] = [
  {
    prefix: "control_plane.",
    about: "The aggregated stream of discovery messages",
    stats: [
      ["connected_state", "gauge", "", "1: there is a connection to the control plane"],
      ["pending_requests", "gauge", "", "Messages that wait until they can be written"],
      ["rx_message_too_large", "counter", "", "Streams ended by a message over the limit of 64 MiB"],
      ["rx_message_broken", "counter", "", "Streams ended by bytes that are no discovery message"],
      ["overflow", "counter", "", "Streams ended because too many responses waited to be applied or answered"],
    ],
  },
];
