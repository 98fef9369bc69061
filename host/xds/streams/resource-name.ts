// The name of a resource, from its bytes: a state of the world carries bare resources, whose names stand only in themselves.
// Field 1 of each of these messages is its name; the rest is not decoded for it.
import protobuf from "protobufjs/minimal.js";

const NAMED: ReadonlySet<string> = new Set([
  "envoy.config.cluster.v3.Cluster",
  "envoy.config.endpoint.v3.ClusterLoadAssignment",
  "envoy.config.listener.v3.Listener",
  "envoy.config.route.v3.RouteConfiguration",
  "envoy.config.core.v3.TypedExtensionConfig",
  "envoy.extensions.transport_sockets.tls.v3.Secret",
]);

const NAME_TAG = (1 << 3) | 2;

/** "": it has none, or the bytes are no message; whoever decodes it says so with all there is to say. */
export function nameInBytes(typeName: string, bytes: Uint8Array): string {
  if (!NAMED.has(typeName)) return "";
  let name = "";
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      // The last one counts, as for every field that comes twice.
      if (tag === NAME_TAG) name = reader.string();
      else reader.skipType(tag & 7);
    }
  } catch {
    // No message: its reader refuses it by whatever name was found.
  }
  return name;
}
