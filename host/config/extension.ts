// The contract between the configuration reader and an extension: a type URL, and how its message becomes plain data.
// The reader knows no extension by name; the composition root hands it tables of these.
import type { Secret } from "./transport-socket.ts";
import type { HttpFilterConfig } from "./listener.ts";
import type { ModuleCode, RemoteCode, ResolvedModule } from "./module-code.ts";
import type { NetworkFilter } from "./network-filter.ts";

/**
 * A view of one decoded message that keeps account of what was read: a field that is set and that nobody read is refused
 * as not implemented. Names are the proto field names; each getter says what an unset field gives.
 */
export interface ConfigReader {
  /** For example static_resources.listeners[0].name. */
  readonly path: string;
  readonly typeName: string;
  has(field: string): boolean;
  /** "" or `unset`. */
  text(field: string, unset?: string): string;
  optionalText(field: string): string | undefined;
  /** Integers, doubles and their wrappers: 0 or `unset`. */
  number(field: string, unset?: number): number;
  optionalNumber(field: string): number | undefined;
  /** false or `unset`. */
  flag(field: string, unset?: boolean): boolean;
  optionalFlag(field: string): boolean | undefined;
  /** Milliseconds, fractions included: 0 or `unset`. */
  durationMs(field: string, unset?: number): number;
  optionalDurationMs(field: string): number | undefined;
  /** The value's name; `unset` for an unset field. */
  choice<T extends string>(field: string, unset: T): T;
  bytes(field: string): Uint8Array | undefined;
  texts(field: string): readonly string[];
  numbers(field: string): readonly number[];
  /** google.protobuf.Struct or Value as plain JSON. */
  json(field: string): unknown;
  jsonMap(field: string): readonly (readonly [key: string, value: unknown])[];
  message(field: string): ConfigReader | undefined;
  messages(field: string): readonly ConfigReader[];
  messageMap(field: string): readonly (readonly [key: string, value: ConfigReader])[];
  textMap(field: string): readonly (readonly [key: string, value: string])[];
  any(field: string): AnyReader | undefined;
  anyMap(field: string): readonly (readonly [key: string, value: AnyReader])[];
  /** Which field of a oneof is set; undefined: none. */
  which(oneof: string): string | undefined;
  /** A problem with a field; "" is the message itself. The field counts as read. */
  refuse(field: string, reason: string): void;
  /** The field has no meaning for the reader's result. */
  ignore(...fields: readonly string[]): void;
}

/** google.protobuf.Any. */
export interface AnyReader {
  readonly path: string;
  readonly typeUrl: string;
  readonly typeName: string;
  /** undefined: its type is not one that this host knows. */
  readonly message: ConfigReader | undefined;
  /** Serialized message, as a module gets it; undefined for an unknown type. */
  serialize(): Uint8Array | undefined;
  refuse(reason: string): void;
}

/** Looks up modules while a configuration is read; keeps the bytes by digest for whoever compiles them. */
export interface ModuleSource {
  /** `path` is where the code stands, for messages. */
  resolve(code: ModuleCode, path?: string): ResolvedModule;
}

/** The part of a source that fetches. */
export interface RemoteModuleSource extends Omit<LiveModuleSource, "resolve" | "files"> {
  resolve(code: RemoteCode): ResolvedModule;
}

/** A source whose answers change: files are written, fetches end. */
export interface LiveModuleSource extends ModuleSource {
  /** The bytes of a module that was resolved; undefined for a digest that is not known. */
  bytesOf(sha256: string): Uint8Array | undefined;
  /** Paths of the files that were resolved, for watching. */
  readonly files: ReadonlySet<string>;
  /** true: answers may differ from those since the last call, so what names modules is to be read again. */
  refresh(): boolean;
  /** Drops the bytes of every other module. */
  release(inUse: ReadonlySet<string>): void;
  /** Calls back when a fetch has ended, well or badly: refresh() is due. Returns the end of it. */
  onChange(listener: () => void): () => void;
}

export interface ParseContext {
  /** undefined: an acceptable RE2 expression; else why not. */
  checkRegex(regex: string): string | undefined;
  /** undefined: a format string whose command operators are all known; else why not. */
  checkFormat(format: string): string | undefined;
  readonly modules: ModuleSource;
  /** For VmConfig.environment_variables.host_env_keys. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly extensions: ExtensionTable;
}

export interface ResourceContext extends ParseContext {
  /** Names of the static clusters, for routes with validate_clusters; undefined: cannot be known yet. */
  readonly clusterNames: ReadonlySet<string> | undefined;
  /** One of static_resources.secrets. */
  staticSecret(name: string): Secret | undefined;
  /** Called for each dynamic resource that the resource being read depends on. */
  need(dependency: Dependency): void;
}

/** A resource that comes by name from somewhere else: a file of its own, or a control plane. */
export interface Dependency {
  readonly kind: "route_configuration" | "endpoints" | "extension_config" | "secret";
  readonly name: string;
  readonly source: ConfigSource;
  /** false: what depends on it starts without it (apply_default_config_without_warming). */
  readonly isAwaited: boolean;
  /** Of an extension config: the messages that may come; undefined for the other kinds. */
  readonly typeNames?: readonly string[];
  /** Where the subscription's stats stand, as in Envoy: "http.ingress.rds.table". */
  readonly statPrefix: string;
}

/** core.v3.ConfigSource. Sources with the same `key` are the same source. */
export type ConfigSource = FileConfigSource | AdsConfigSource | GrpcConfigSource;

export interface FileConfigSource {
  readonly kind: "path";
  /** The path. */
  readonly key: string;
  readonly path: string;
  /** watched_directory: a rename in here is what triggers a new read; undefined: the folder of `path`. */
  readonly watchedDirectory: string | undefined;
  /** 0 waits for ever. */
  readonly initialFetchTimeoutMs: number;
}

/** The aggregated stream of dynamic_resources.ads_config. */
export interface AdsConfigSource {
  readonly kind: "ads";
  readonly key: "ads";
  readonly initialFetchTimeoutMs: number;
}

/** A stream of its own for one type of resource. */
export interface GrpcConfigSource {
  readonly kind: "grpc";
  /** The JSON of `api`. */
  readonly key: string;
  readonly api: GrpcApi;
  readonly initialFetchTimeoutMs: number;
}

/** core.v3.ApiConfigSource of the kinds that are gRPC streams. */
export interface GrpcApi {
  readonly isDelta: boolean;
  readonly service: GrpcService;
}

/** core.v3.GrpcService. */
export interface GrpcService {
  readonly target:
    | {
        readonly kind: "envoy_grpc";
        readonly clusterName: string;
        readonly authority: string;
        readonly maxReceiveBytes: number | undefined;
      }
    | { readonly kind: "google_grpc"; readonly targetUri: string; readonly tls: GrpcTls | undefined };
  readonly initialMetadata: readonly (readonly [name: string, value: string])[];
}

/** PEM texts; undefined: not given. */
export interface GrpcTls {
  readonly rootCerts: string | undefined;
  readonly privateKey: string | undefined;
  readonly certChain: string | undefined;
}

export interface HttpFilterExtension {
  /** "envoy.filters.http.router" */
  readonly name: string;
  /** Full message names, without the type.googleapis.com/ prefix. */
  readonly typeNames: readonly string[];
  /** Must be the last filter of its chain, and the only one of its kind in it. */
  readonly isTerminal: boolean;
  /** Problems go to the reader; the result of a refused message is not used. */
  parse(
    reader: ConfigReader,
    filter: { readonly name: string; readonly disabled: boolean },
    ctx: ParseContext,
  ): HttpFilterConfig | undefined;
  /** typed_per_filter_config: message names and parser; undefined: none for this filter. */
  readonly perRoute?: {
    readonly typeNames: readonly string[];
    parse(reader: ConfigReader, ctx: ParseContext): unknown;
  };
}

export interface NetworkFilterExtension {
  /** "envoy.filters.network.tcp_proxy" */
  readonly name: string;
  readonly typeNames: readonly string[];
  /** Must be the last filter of its chain; any other must not. */
  readonly isTerminal: boolean;
  /** Problems go to the reader; the result of a refused message is not used. */
  parse(reader: ConfigReader, name: string, ctx: ResourceContext): NetworkFilter | undefined;
}

export interface ExtensionTable {
  readonly httpFilters: readonly HttpFilterExtension[];
  readonly networkFilters: readonly NetworkFilterExtension[];
}
