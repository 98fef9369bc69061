// What tests look for in the configuration that they have read.
import type { HttpConnectionManager, Listener } from "../../host/config/listener.ts";

/** The connection manager that ends the first filter chain. */
export function managerOf(listener: Listener): HttpConnectionManager {
  const terminal = listener.filterChains[0].networkFilters.at(-1);
  if (terminal?.kind !== "http_connection_manager") throw new Error(`listener ${listener.name} has no connection manager`);
  return terminal.config;
}
