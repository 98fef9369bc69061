// typed_per_filter_config of one level: of a route, a weighted cluster, a virtual host or a route configuration.
import type { PerFilterConfig } from "../config/route.ts";

/** At most one: what `level` says of a filter beyond whether it is there. */
export function configOf(level: PerFilterConfig, filterName: string): readonly unknown[] {
  const config = Object.hasOwn(level, filterName) ? level[filterName].config : undefined;
  return config === undefined ? [] : [config];
}
