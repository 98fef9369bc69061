// What is wrong with a response before anybody looks into its resources. Such a response is refused whole, in Envoy's words
// (source/extensions/config_subscription/grpc/delta_subscription_state.cc, grpc_mux_impl.cc).
import { isNewStyleName, typeNameOf, type XdsResponse, type XdsVariant } from "./messages.ts";

/** undefined: nothing. */
export function checkResponse(response: XdsResponse, variant: XdsVariant): string | undefined {
  const [unsupported] = response.unsupported;
  if (unsupported !== undefined) return unsupported;
  const seen = new Set<string>();
  for (const { name, typeUrl, bytes } of response.resources) {
    if (isNewStyleName(name)) return `${name}: xdstp:// names are not implemented`;
    if (bytes !== undefined && typeNameOf(typeUrl) !== typeNameOf(response.typeUrl)) return wrongType(typeUrl, response.typeUrl, variant);
    if (name === "") continue;
    if (seen.has(name)) return `duplicate name ${name} found among added/updated resources`;
    seen.add(name);
  }
  for (const name of response.removed) {
    if (seen.has(name)) return `duplicate name ${name} found in the union of added+removed resources`;
    seen.add(name);
  }
  return undefined;
}

function wrongType(typeUrl: string, wanted: string, variant: XdsVariant): string {
  const rest = `does not match the message-wide type URL ${wanted} in`;
  return variant === "delta"
    ? `type URL ${typeUrl} embedded in an individual Any ${rest} DeltaDiscoveryResponse`
    : `${typeUrl} ${rest} DiscoveryResponse`;
}
