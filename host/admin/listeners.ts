// GET /listeners: names and addresses, in Envoy's text and JSON.
import { addressJson, formatAddress } from "./address.ts";
import { type AdminRequest, type AdminResponse, json, text } from "./exchange.ts";
import type { AdminViews } from "./views.ts";

export function answerListeners(request: AdminRequest, views: AdminViews): AdminResponse {
  const listeners = views.listeners();
  if (request.query.get("format") !== "json") {
    return text(listeners.map(({ name, addresses }) => `${name}::${addresses.map(formatAddress).join(",")}\n`).join(""));
  }
  return json({
    listener_statuses: listeners.map(({ name, addresses: [first, ...others] }) => ({
      name,
      ...(first === undefined ? {} : { local_address: addressJson(first) }),
      ...(others.length === 0 ? {} : { additional_local_addresses: others.map(addressJson) }),
    })),
  });
}
