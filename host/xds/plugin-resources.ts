// The plugins folder (--plugins DIR): every .yaml, .yml and .json file of it, each with any number of resources. A resource
// that is wrong is refused by itself, and its last good version stays; one that is gone from its file is removed.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ParseContext } from "../config/extension.ts";
import type { Json } from "./message.ts";
import { sameData } from "./file-source.ts";
import { type PluginResource, readPlugin } from "./plugin-resource.ts";
import type { Problem } from "./problems.ts";
import { readDocuments } from "./yaml-source.ts";

export interface PluginStatus {
  /** "WasmPlugin/default.my-plugin"; "" for a file that cannot be read as YAML. */
  readonly id: string;
  readonly file: string;
  readonly acceptedAtMs: number | undefined;
  /** Digest of the module in force; undefined: none is. */
  readonly sha256: string | undefined;
  /** Where the module of the version that was read last is being fetched; what was in force before stays until it is there. */
  readonly fetching: string | undefined;
  readonly rejected: { readonly atMs: number; readonly problems: readonly Problem[] } | undefined;
  readonly json: Json;
}

interface Entry {
  plugin: PluginResource | undefined;
  status: PluginStatus;
}

interface FileState {
  readonly digest: string;
  readonly entries: Map<string, Entry>;
}

export interface PluginFolderOptions {
  readonly directory: string;
  readonly ctx: ParseContext;
  nowMs(): number;
}

export class PluginFolder {
  readonly directory: string;
  readonly #options: PluginFolderOptions;
  #files = new Map<string, FileState>();
  #plugins: readonly PluginResource[] = [];
  #folderProblem: string | undefined;

  constructor(options: PluginFolderOptions) {
    this.directory = options.directory;
    this.#options = options;
  }

  /** In the order of their files; the same array while nothing changed. */
  get plugins(): readonly PluginResource[] {
    return this.#plugins;
  }

  get statuses(): readonly PluginStatus[] {
    const statuses = [...this.#files.values()].flatMap((file) => [...file.entries.values()].map((entry) => entry.status));
    if (this.#folderProblem === undefined) return statuses;
    const rejected = { atMs: this.#options.nowMs(), problems: [{ path: "", reason: this.#folderProblem }] };
    return [
      ...statuses,
      { id: "", file: this.directory, acceptedAtMs: undefined, sha256: undefined, fetching: undefined, rejected, json: null },
    ];
  }

  /** Reads the folder again; true: the plugins changed. `force`: also files whose text did not change. */
  refresh(force: boolean): boolean {
    const names = this.#list();
    // An unreadable folder is not an empty one: everything stays.
    if (names === undefined) return false;
    const files = new Map<string, FileState>();
    const taken = new Set<string>();
    for (const name of names) {
      const file = join(this.directory, name);
      files.set(file, this.#readFile(file, this.#files.get(file), force, taken));
    }
    this.#files = files;
    const plugins = [...files.values()].flatMap((file) => [...file.entries.values()].flatMap((entry) => entry.plugin ?? []));
    const isSame = plugins.length === this.#plugins.length && plugins.every((plugin, index) => plugin === this.#plugins[index]);
    if (!isSame) this.#plugins = plugins;
    return !isSame;
  }

  #list(): readonly string[] | undefined {
    try {
      const names = readdirSync(this.directory).filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith("."));
      this.#folderProblem = undefined;
      return names.sort();
    } catch (error) {
      this.#folderProblem = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }

  #readFile(file: string, before: FileState | undefined, force: boolean, taken: Set<string>): FileState {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      return this.#keepAll(
        file,
        before,
        [{ path: "", reason: error instanceof Error ? error.message : String(error) }],
        "unreadable",
        taken,
      );
    }
    const digest = createHash("sha256").update(text).digest("hex");
    if (before?.digest === digest && !force) {
      for (const id of before.entries.keys()) taken.add(id);
      return before;
    }
    const read = readDocuments(text);
    if (!read.ok) return this.#keepAll(file, before, read.problems, digest, taken);
    const entries = new Map<string, Entry>();
    for (const document of read.documents) {
      const [id, entry] = this.#readOne(file, document.value, before, taken);
      // Two resources without a usable name are two entries all the same.
      const key = entries.has(id) ? `${id}#${entries.size}` : id;
      entries.set(
        key,
        locateEntry(entry, (problem) => document.locate(problem)),
      );
    }
    return { digest, entries };
  }

  #readOne(file: string, json: Json, before: FileState | undefined, taken: Set<string>): readonly [string, Entry] {
    const { ctx } = this.#options;
    const atMs = this.#options.nowMs();
    const result = readPlugin(json, file, ctx);
    const kind = (json as { readonly kind?: unknown } | null)?.kind;
    const id = result.ok ? `${result.plugin.kind}/${result.plugin.namespace}.${result.plugin.name}` : `${String(kind)}/${result.name}`;
    const old = before?.entries.get(id);
    if (!result.ok) return [id, this.#refuse(id, file, old, result.problems, json)];
    if (taken.has(id))
      return [id, this.#refuse(id, file, undefined, [{ path: "metadata.name", reason: `duplicate resource ${id}` }], json)];
    taken.add(id);
    const { plugin: read } = result.plugin.filter;
    if (result.fetchProblem !== undefined) {
      const first = old?.plugin === undefined ? this.#await(id, file, undefined, result.plugin, json) : old;
      return [id, this.#refuse(id, file, first, [result.fetchProblem], json)];
    }
    if (read.sha256 === "") return [id, this.#await(id, file, old, result.plugin, json)];
    const isSame = old?.plugin !== undefined && sameData(old.plugin, result.plugin);
    const plugin = isSame && old?.plugin !== undefined ? old.plugin : result.plugin;
    const acceptedAtMs = isSame ? old?.status.acceptedAtMs : atMs;
    return [id, { plugin, status: { id, file, acceptedAtMs, sha256: read.sha256, fetching: undefined, rejected: undefined, json } }];
  }

  /** The module of this version is being fetched: the version before it serves on, and else the plugin is there without a module. */
  #await(id: string, file: string, old: Entry | undefined, read: PluginResource, json: Json): Entry {
    const isFirst = old?.plugin === undefined || old.plugin.filter.plugin.sha256 === "";
    const isSame = old?.plugin !== undefined && sameData(old.plugin, read);
    const plugin = isFirst && !isSame ? read : (old?.plugin ?? read);
    const { sha256 } = plugin.filter.plugin;
    const status: PluginStatus = {
      id,
      file,
      acceptedAtMs: isFirst ? undefined : old.status.acceptedAtMs,
      sha256: sha256 === "" ? undefined : sha256,
      fetching: read.filter.plugin.source,
      rejected: undefined,
      json: isFirst ? json : old.status.json,
    };
    return { plugin, status };
  }

  #refuse(id: string, file: string, old: Entry | undefined, problems: readonly Problem[], json: Json): Entry {
    const rejected = { atMs: this.#options.nowMs(), problems };
    return {
      plugin: old?.plugin,
      status: {
        id,
        file,
        acceptedAtMs: old?.status.acceptedAtMs,
        sha256: old?.status.sha256,
        fetching: undefined,
        rejected,
        json: old?.plugin === undefined ? json : old.status.json,
      },
    };
  }

  /** A file that is no YAML: what it held before stays, and says why it is old. */
  #keepAll(file: string, before: FileState | undefined, problems: readonly Problem[], digest: string, taken: Set<string>): FileState {
    const entries = new Map<string, Entry>();
    for (const [id, entry] of before?.entries ?? []) {
      if (id === "") continue;
      entries.set(id, this.#refuse(id, file, entry, problems, entry.status.json));
      taken.add(id);
    }
    if (entries.size === 0) entries.set("", this.#refuse("", file, undefined, problems, null));
    return { digest, entries };
  }
}

function locateEntry(entry: Entry, locate: (problem: Problem) => Problem): Entry {
  const { rejected } = entry.status;
  if (rejected === undefined) return entry;
  return { ...entry, status: { ...entry.status, rejected: { ...rejected, problems: rejected.problems.map(locate) } } };
}
