// Transport sockets: plain text is read, TLS is refused by name.
import type { ConfigReader } from "../../config/extension.ts";

const rawBuffer = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/** Of a cluster or a filter chain. */
export function refuseTransportSocket(reader: ConfigReader): void {
  const socket = reader.message("transport_socket");
  if (socket === undefined) return;
  const name = socket.text("name");
  const config = socket.any("typed_config");
  const typeName = config?.message?.typeName ?? config?.typeName ?? name;
  if (typeName !== rawBuffer && typeName !== "envoy.transport_sockets.raw_buffer")
    reader.refuse("transport_socket", `not implemented: ${typeName}`);
}
