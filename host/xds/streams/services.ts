// Which gRPC method serves which type: the aggregated service, or the one of a type (xDS protocol, "RPC Services and Methods").
import type { XdsVariant } from "./messages.ts";
import { typeNameOf } from "./messages.ts";

const AGGREGATED = "envoy.service.discovery.v3.AggregatedDiscoveryService";

/** Type → service and what its methods are called after Stream and Delta. */
const SERVICES: Readonly<Record<string, readonly [service: string, method: string]>> = {
  "envoy.config.listener.v3.Listener": ["envoy.service.listener.v3.ListenerDiscoveryService", "Listeners"],
  "envoy.config.cluster.v3.Cluster": ["envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters"],
  "envoy.config.route.v3.RouteConfiguration": ["envoy.service.route.v3.RouteDiscoveryService", "Routes"],
  "envoy.config.endpoint.v3.ClusterLoadAssignment": ["envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints"],
  "envoy.extensions.transport_sockets.tls.v3.Secret": ["envoy.service.secret.v3.SecretDiscoveryService", "Secrets"],
  "envoy.config.core.v3.TypedExtensionConfig": ["envoy.service.extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs"],
};

export function aggregatedMethod(variant: XdsVariant): string {
  return `/${AGGREGATED}/${variant === "delta" ? "Delta" : "Stream"}AggregatedResources`;
}

/** undefined: the type has no service of its own. */
export function singleMethod(variant: XdsVariant, typeUrl: string): string | undefined {
  const typeName = typeNameOf(typeUrl);
  if (!Object.hasOwn(SERVICES, typeName)) return undefined;
  const [service, method] = SERVICES[typeName];
  return `/${service}/${variant === "delta" ? "Delta" : "Stream"}${method}`;
}
