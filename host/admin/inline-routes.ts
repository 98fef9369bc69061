// Route configurations that stand inside a listener ("static" ones in /config_dump, whatever brought the listener).

export interface InlineRoutes {
  readonly name: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const CONNECTION_MANAGER = "HttpConnectionManager";

/** Every route_config of a connection manager below a listener's proto-JSON. */
export function inlineRouteConfigurations(listener: unknown): readonly InlineRoutes[] {
  const found: InlineRoutes[] = [];
  visit(listener, found);
  return found;
}

function visit(value: unknown, found: InlineRoutes[]): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, found);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const object = value as Readonly<Record<string, unknown>>;
  const type = object["@type"];
  const routes = object.route_config ?? object.routeConfig;
  if (typeof type === "string" && type.endsWith(`.${CONNECTION_MANAGER}`) && typeof routes === "object" && routes !== null) {
    const json = routes as Readonly<Record<string, unknown>>;
    found.push({ name: typeof json.name === "string" ? json.name : "", json });
    return;
  }
  for (const item of Object.values(object)) visit(item, found);
}
