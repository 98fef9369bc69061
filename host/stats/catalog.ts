// THE table of every statistic: name pattern, kind, unit, meaning. The generated reference is made of it, and a test holds every name
// that the code defines against it. A group is a common beginning of names; "<…>" stands for a part that configuration decides.
import { CLUSTER_GROUPS } from "./catalog-cluster.ts";
import { CONTROL_PLANE_GROUPS } from "./catalog-control-plane.ts";
import { HTTP_GROUPS } from "./catalog-http.ts";
import { PROCESS_GROUPS } from "./catalog-process.ts";
import { LISTENER_FILTER_GROUPS } from "./catalog-tls.ts";
import { TCP_GROUPS } from "./catalog-tcp.ts";
import type { StatKind } from "./store.ts";

export type StatUnit = "" | "milliseconds" | "seconds" | "bytes" | "milliseconds since 1970";

/** Name below the group's prefix, kind, unit, what it says. */
export type StatRow = readonly [name: string, kind: StatKind, unit: StatUnit, help: string];

export interface StatGroup {
  /** For example "http.<stat_prefix>.". */
  readonly prefix: string;
  readonly about: string;
  readonly stats: readonly StatRow[];
}

export const STAT_GROUPS: readonly StatGroup[] = [
  ...HTTP_GROUPS,
  ...TCP_GROUPS,
  ...CLUSTER_GROUPS,
  ...PROCESS_GROUPS,
  ...CONTROL_PLANE_GROUPS,
  ...LISTENER_FILTER_GROUPS,
];

export interface CatalogEntry {
  /** With its placeholders: "cluster.<cluster_name>.upstream_rq_<code>". */
  readonly pattern: string;
  readonly kind: StatKind;
  readonly unit: StatUnit;
  readonly help: string;
}

interface Compiled {
  readonly regex: RegExp;
  readonly entry: CatalogEntry;
}

let compiled: readonly Compiled[] | undefined;

function compile(): readonly Compiled[] {
  return STAT_GROUPS.flatMap(({ prefix, stats }) =>
    stats.map(([name, kind, unit, help]) => {
      const pattern = prefix + name;
      const source = pattern
        .split(/(<[a-z_]+>)/)
        .map((part) =>
          part === "<code>" || part === "<number>" ? "\\d+" : part.startsWith("<") ? ".+" : part.replace(/[.\\|[\]()*+?^$]/g, "\\$&"),
        )
        .join("");
      return { regex: new RegExp(`^${source}$`), entry: { pattern, kind, unit, help } };
    }),
  );
}

/** What the table says of a name; undefined: it is not in it. Slow: for documents, tests and single look-ups. */
export function describeStat(name: string, kind: StatKind): CatalogEntry | undefined {
  compiled ??= compile();
  return compiled.find(({ regex, entry }) => entry.kind === kind && regex.test(name))?.entry;
}
