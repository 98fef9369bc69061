// What the readers of resources/ share: the injected services, and what the rest of the configuration says.
import type { ExtensionTable, ModuleSource, ParseContext } from "../config/extension.ts";
import type { Secret, SecretKey } from "../config/transport-socket.ts";
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

export interface ResourceContext extends ParseContext {
  /** Names of the static clusters, for routes with validate_clusters; undefined: cannot be known yet. */
  readonly clusterNames: ReadonlySet<string> | undefined;
  /** One of static_resources.secrets. */
  staticSecret(name: string): Secret | undefined;
  /** Called for each dynamic resource that the resource being read depends on. */
  need(dependency: Dependency): void;
}

/** A resource that comes by name from a file of its own. */
export interface Dependency {
  readonly kind: "route_configuration" | "endpoints" | "extension_config" | "secret";
  readonly name: string;
  readonly source: FileConfigSource;
  /** false: what depends on it starts without it (apply_default_config_without_warming). */
  readonly isAwaited: boolean;
  /** Of an extension config: the messages that may come; undefined for the other kinds. */
  readonly typeNames?: readonly string[];
}

/** core.v3.ConfigSource as far as files go. */
export interface FileConfigSource {
  readonly path: string;
  /** watched_directory: a rename in here is what triggers a new read; undefined: the folder of `path`. */
  readonly watchedDirectory: string | undefined;
  /** 0 waits for ever. */
  readonly initialFetchTimeoutMs: number;
}

/** Secrets of one name may come from several sources, so the name alone is no identity. */
export function secretKey(source: FileConfigSource, name: string): SecretKey {
  return JSON.stringify([source.path, name]);
}

export function createResourceContext(
  services: XdsServices,
  clusterNames: ReadonlySet<string> | undefined,
): ResourceContext & { readonly dependencies: Dependency[] } {
  const dependencies: Dependency[] = [];
  return {
    ...services,
    clusterNames,
    dependencies,
    staticSecret: (name) => services.staticSecrets?.get(name),
    need: (dependency) => dependencies.push(dependency),
  };
}
