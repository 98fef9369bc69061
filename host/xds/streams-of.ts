// Sources of resources that are streams, and where their clients come from.
import type { ConfigSource } from "../config/extension.ts";
import type { StatsStore } from "../stats/store.ts";
import type { Codecs } from "./protos.ts";
import type { ResourceKind } from "./resource-kinds.ts";
import type { XdsClient } from "./streams/contract.ts";

/** What sources that are streams need. */
export interface Streams {
  /** The same client for the same key. */
  client(source: StreamSource, kind: ResourceKind): XdsClient;
  readonly stats: StatsStore;
  readonly codecs: Codecs;
  monotonicMs(this: void): number;
}

export type StreamSource = Exclude<ConfigSource, { kind: "path" }>;

/** For messages and config_dump. */
export function nameOf(source: StreamSource): string {
  if (source.kind === "ads") return "ads";
  const { target } = source.api.service;
  return target.kind === "envoy_grpc" ? target.clusterName : target.targetUri;
}
