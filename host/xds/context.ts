// What the readers of resources/ share: the injected services, and what the rest of the configuration says.
import type { ConfigSource, Dependency, ExtensionTable, ModuleSource, ParseContext, ResourceContext } from "../config/extension.ts";
import { shownUrl } from "../config/module-code.ts";
import type { Secret, SecretKey } from "../config/transport-socket.ts";
import type { Problem } from "./problems.ts";
import type { Codecs } from "./protos.ts";

/** Everything that is injected by the composition root. */
export interface XdsServices {
  readonly checkRegex: ParseContext["checkRegex"];
  readonly checkFormat: ParseContext["checkFormat"];
  readonly modules: ModuleSource;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly extensions: ExtensionTable;
  /** For files that end in .pb; undefined: those are refused. */
  readonly codecs?: Codecs;
  /** static_resources.secrets by name; undefined: there are none. */
  readonly staticSecrets?: ReadonlyMap<string, Secret>;
}

export type { Dependency, ConfigSource, ResourceContext };

/** Secrets of one name may come from several sources, so the name alone is no identity. */
export function secretKey(source: ConfigSource, name: string): SecretKey {
  return JSON.stringify([source.key, name]);
}

export function createResourceContext(
  services: XdsServices,
  clusterNames: ReadonlySet<string> | undefined,
): ResourceContext & {
  readonly dependencies: Dependency[];
  readonly pendingModules: ReadonlySet<string>;
  readonly fetchProblems: readonly Problem[];
} {
  const dependencies: Dependency[] = [];
  const pendingModules = new Set<string>();
  const fetchProblems: Problem[] = [];
  return {
    ...services,
    modules: {
      resolve: (code, path = "") => {
        const resolved = services.modules.resolve(code);
        if (code.kind === "remote" && "problem" in resolved) {
          // What is wrong is not the resource: it is read as one that waits, and refused for this when all of it is read.
          fetchProblems.push({ path, reason: resolved.problem });
          return { pending: shownUrl(code.url) };
        }
        if ("pending" in resolved) pendingModules.add(resolved.pending);
        return resolved;
      },
    },
    pendingModules,
    fetchProblems,
    clusterNames,
    dependencies,
    staticSecret: (name) => services.staticSecrets?.get(name),
    need: (dependency) => dependencies.push(dependency),
  };
}
