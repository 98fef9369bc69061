// What the main thread posts to every worker: one consistent set of everything, plain data that survives structured clone.
import type { Cluster, EndpointAssignment, PipeAddress, SocketAddress } from "./cluster.ts";
import type { HttpFilterConfig, Listener } from "./listener.ts";
import type { Metadata, RouteConfiguration } from "./route.ts";
import type { Secret, SecretKey } from "./transport-socket.ts";

export interface Snapshot {
  /** Counts up by one for each snapshot of this process. */
  readonly version: number;
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
  /** RDS tables by name. */
  readonly routeConfigurations: Readonly<Record<string, RouteConfiguration>>;
  /** EDS assignments by service name. */
  readonly endpoints: Readonly<Record<string, EndpointAssignment>>;
  /** ECDS filter configs by name. */
  readonly extensionConfigs: Readonly<Record<string, HttpFilterConfig>>;
  /** SDS secrets. */
  readonly secrets: Readonly<Record<SecretKey, Secret>>;
  /** layered_runtime's static layers merged: key → number, string or boolean. */
  readonly runtime: Readonly<Record<string, number | string | boolean>>;
}

export interface Node {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly userAgentName: string;
  readonly userAgentVersion: string;
}

/** The static part of a bootstrap, after flags were merged in. */
export interface Bootstrap {
  readonly node: Node;
  readonly admin: { readonly address: SocketAddress | PipeAddress | undefined; readonly accessLogPath: string | undefined };
  readonly statsTags: readonly { readonly tagName: string; readonly regex: string | undefined; readonly fixedValue: string | undefined }[];
  readonly useAllDefaultTags: boolean;
  readonly layeredRuntime: Readonly<Record<string, number | string | boolean>>;
  readonly defaultSocketInterface: string;
  readonly metadata: Metadata;
  /** overload_manager.resource_monitors[global downstream connections], 0 = our default. */
  readonly maxDownstreamConnections: number;
}
