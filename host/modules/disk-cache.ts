// Fetched modules on disk, so that a restart fetches nothing: DIR/<sha256 of the name>/<digest>.wasm, beside it what it is, and in
// refs.json which digest each URL of the name stood for. A file is written under another name and renamed, so that two proxies may
// share the folder; it is read only with the content that it was written with. The file's time is when it was used last.
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "./contract.ts";

export interface DiskCacheOptions {
  readonly directory: string;
  /** Of all modules together; those used least lately go. */
  readonly maxBytes: number;
  readonly expiryMs: number;
  /** Of this process; undefined: the system has no such thing. */
  readonly uid: number | undefined;
  nowMs(): number;
  onProblem(message: string): void;
}

export interface CachedModule {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

interface CachedFile {
  readonly path: string;
  readonly size: number;
  readonly usedMs: number;
}

const maxRefs = 1000;
const hex64 = /^[0-9a-f]{64}$/;

export class DiskCache {
  readonly #options: DiskCacheOptions;
  /** undefined: not looked at yet; where nothing is fetched no folder is made. */
  #isOpen: boolean | undefined;

  constructor(options: DiskCacheOptions) {
    this.#options = options;
  }

  /** false: the folder cannot be used; said once. */
  get #isUsable(): boolean {
    this.#isOpen ??= this.#open();
    return this.#isOpen;
  }

  #open(): boolean {
    const { directory, uid: own, onProblem } = this.#options;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const { uid } = statSync(directory);
      // In a folder that everyone may write to, someone else may have been first.
      if (own !== undefined && uid !== own && own !== 0) throw new Error("it belongs to someone else");
      if (own === undefined || uid === own) chmodSync(directory, 0o700);
      return true;
    } catch (error) {
      onProblem(`modules are not cached: ${directory}: ${messageOf(error)}`);
      return false;
    }
  }

  get size(): number {
    return this.#files().length;
  }

  /** undefined: not there, or not what was written. */
  find(name: string, digest: string): CachedModule | undefined {
    if (!this.#isUsable) return undefined;
    const path = this.#pathOf(name, digest);
    const sha256 = this.#read(`${path}.sum`)?.toString();
    const bytes = sha256 === undefined ? undefined : this.#read(path);
    if (sha256 === undefined || bytes === undefined) return undefined;
    if (createHash("sha256").update(bytes).digest("hex") === sha256) {
      this.touch(name, digest);
      return { bytes, sha256 };
    }
    this.#options.onProblem(`a cached module is not what was written, and is dropped: ${path}`);
    this.#remove(path);
    return undefined;
  }

  /** The digest that the URL stood for when it was fetched last. */
  digestOf(name: string, url: string): string | undefined {
    const digest = this.#refs(name).get(url);
    return digest !== undefined && hex64.test(digest) ? digest : undefined;
  }

  /** false: it could not be written. */
  put(name: string, url: string, digest: string, bytes: Uint8Array): boolean {
    if (!this.#isUsable) return false;
    const path = this.#pathOf(name, digest);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#write(path, bytes);
      this.#write(`${path}.sum`, createHash("sha256").update(bytes).digest("hex"));
      this.#remember(name, url, digest);
      this.touch(name, digest);
    } catch (error) {
      this.#options.onProblem(`a module is not cached: ${messageOf(error)}`);
      return false;
    }
    this.#shrink(path);
    return true;
  }

  /** The URL stands for another digest now, whose module is here already. */
  remember(name: string, url: string, digest: string): void {
    if (this.#refs(name).get(url) === digest) return;
    try {
      this.#remember(name, url, digest);
    } catch (error) {
      this.#options.onProblem(`a module is not cached: ${messageOf(error)}`);
    }
  }

  touch(name: string, digest: string): void {
    const seconds = this.#options.nowMs() / 1000;
    try {
      utimesSync(this.#pathOf(name, digest), seconds, seconds);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#options.onProblem(`cached module: ${messageOf(error)}`);
    }
  }

  /** Drops what was not used for long. */
  purge(): void {
    const since = this.#options.nowMs() - this.#options.expiryMs;
    for (const { path, usedMs } of this.#files()) if (usedMs < since) this.#remove(path);
    this.#shrink(undefined);
  }

  #shrink(newest: string | undefined): void {
    const files = [...this.#files()].sort((a, b) => a.usedMs - b.usedMs);
    let total = files.reduce((sum, { size }) => sum + size, 0);
    for (const { path, size } of files) {
      if (total <= this.#options.maxBytes) return;
      if (path === newest) continue;
      this.#remove(path);
      total -= size;
    }
  }

  #files(): readonly CachedFile[] {
    if (!existsSync(this.#options.directory) || !this.#isUsable) return [];
    return this.#list(this.#options.directory).flatMap((folder) => {
      const home = join(this.#options.directory, folder);
      return this.#list(home).flatMap((name): readonly CachedFile[] => {
        if (!/^[0-9a-f]{64}\.wasm$/.test(name)) return [];
        const path = join(home, name);
        const stat = statSync(path, { throwIfNoEntry: false });
        return stat === undefined ? [] : [{ path, size: stat.size, usedMs: stat.mtimeMs }];
      });
    });
  }

  #list(folder: string): readonly string[] {
    try {
      return readdirSync(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") this.#options.onProblem(`cached modules: ${messageOf(error)}`);
      return [];
    }
  }

  #read(path: string): Buffer | undefined {
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#options.onProblem(`cached module: ${messageOf(error)}`);
      return undefined;
    }
  }

  #write(path: string, content: Uint8Array | string): void {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  #remove(path: string): void {
    for (const file of [path, `${path}.sum`]) rmSync(file, { force: true });
  }

  #homeOf(name: string): string {
    return join(this.#options.directory, createHash("sha256").update(name).digest("hex"));
  }

  #pathOf(name: string, digest: string): string {
    return join(this.#homeOf(name), `${digest}.wasm`);
  }

  #refs(name: string): Map<string, string> {
    const text = this.#isUsable ? this.#read(join(this.#homeOf(name), "refs.json"))?.toString() : undefined;
    if (text === undefined) return new Map();
    try {
      const refs: unknown = JSON.parse(text);
      if (typeof refs !== "object" || refs === null) return new Map();
      return new Map(Object.entries(refs).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
    } catch (error) {
      this.#options.onProblem(`cached modules of ${name}: ${messageOf(error)}`);
      return new Map();
    }
  }

  #remember(name: string, url: string, digest: string): void {
    const refs = this.#refs(name);
    refs.delete(url);
    refs.set(url, digest);
    const latest = [...refs].slice(-maxRefs);
    this.#write(join(this.#homeOf(name), "refs.json"), JSON.stringify(Object.fromEntries(latest)));
  }
}
