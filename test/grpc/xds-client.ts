// The client over real gRPC, for tests: it collects what it was shown.
import type { TestContext } from "node:test";
import { StatsStore } from "../../host/stats/store.ts";
import { systemClock } from "../../host/xds/clock.ts";
import { loadCodecs } from "../../host/xds/protos.ts";
import { createXdsClient } from "../../host/xds/streams/client.ts";
import type { XdsClient, XdsSubscription, XdsUpdate, XdsVerdict } from "../../host/xds/streams/contract.ts";
import { type GrpcTarget, GrpcTransport, type GrpcTransportOptions } from "../../host/xds/streams/grpc-transport.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";

export const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
export const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
export const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
export const ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
export const SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
export const EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/** core.v3.Node with the id "me". */
const NODE = Buffer.from([0x0a, 2, 0x6d, 0x65]);

export function plainTarget(port: number, more: Partial<GrpcTarget> = {}): GrpcTarget {
  const rest = { authority: undefined, tls: undefined, metadata: [], metadataFiles: [], maxReceiveBytes: undefined };
  return { address: `127.0.0.1:${port}`, ...rest, ...more };
}

export interface Watched {
  readonly subscription: XdsSubscription;
  /** Name → bytes. */
  readonly has: Map<string, Uint8Array>;
  readonly updates: XdsUpdate[];
  readonly failures: string[];
}

export interface TestClient {
  readonly client: XdsClient;
  readonly stats: StatsStore;
  watch(typeUrl: string, names: ReadonlySet<string> | "wildcard", judge?: (update: XdsUpdate) => XdsVerdict): Watched;
}

export interface TestClientOptions extends Partial<Omit<GrpcTransportOptions, "target">> {
  readonly variant: XdsVariant;
  readonly isAggregated?: boolean;
  readonly target: () => GrpcTarget;
  /** Of the back-off; 0: none. */
  readonly random?: () => number;
}

export async function startTestClient(t: TestContext, options: TestClientOptions): Promise<TestClient> {
  const stats = new StatsStore(() => undefined);
  const client = createXdsClient({
    variant: options.variant,
    isAggregated: options.isAggregated ?? true,
    node: NODE,
    codecs: await loadCodecs(),
    transport: new GrpcTransport(options),
    clock: systemClock,
    random: options.random ?? (() => 0.02),
    log: { info: () => undefined, warn: () => undefined },
    stats,
    statPrefix: "control_plane",
  });
  t.after(() => client.close());
  client.start();
  return {
    client,
    stats,
    watch: (typeUrl, names, judge = () => ({ ok: true })) => {
      const has = new Map<string, Uint8Array>();
      const updates: XdsUpdate[] = [];
      const failures: string[] = [];
      const subscription = client.subscribe(typeUrl, names, {
        onUpdate: (update, done) => {
          updates.push(update);
          if (update.isWholeState) has.clear();
          for (const { name, bytes } of update.resources) has.set(name, bytes);
          for (const name of update.removed) has.delete(name);
          done(judge(update));
        },
        onFailure: (cause) => failures.push(cause),
      });
      return { subscription, has, updates, failures };
    },
  };
}
