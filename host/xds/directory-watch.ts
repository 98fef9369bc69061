// Watches the folders of a set of files and says that something in them changed; what changed is for the reader to find out.
// Folders and not files are watched: an atomic rename gives a file a new inode, and a ConfigMap swaps its ..data link.
// A slow rescan covers what the kernel does not report: network file systems, a folder that was replaced, watch limits.
import { type FSWatcher, realpathSync, watch } from "node:fs";
import { dirname } from "node:path";

export interface WatchOptions {
  /** Quiet time after the last event before onChange. Default 30. */
  readonly debounceMs?: number;
  /** Longest wait from the first event to onChange under a stream of events. Default 120. */
  readonly maxDelayMs?: number;
  /** Default 2000; 0 turns the rescan off. */
  readonly rescanMs?: number;
  onChange(): void;
}

export class DirectoryWatch {
  readonly #options: WatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #rescan: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #firstEventMs = 0;
  #isClosed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    const rescanMs = options.rescanMs ?? 2000;
    if (rescanMs > 0) {
      this.#rescan = setInterval(() => options.onChange(), rescanMs);
      this.#rescan.unref();
    }
  }

  /** Replaces the set: files are watched through their folder, and through the folder of what they link to. */
  watch(files: Iterable<string>, folders: Iterable<string>): void {
    if (this.#isClosed) return;
    const wanted = new Set(folders);
    for (const file of files) for (const folder of foldersOf(file)) wanted.add(folder);
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#open(folder);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#rescan);
    clearTimeout(this.#quiet);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #open(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#onEvent());
      watcher.on("error", () => {
        // The folder is gone or the watch was lost: the rescan opens it again.
        watcher.close();
        this.#watchers.delete(folder);
      });
      this.#watchers.set(folder, watcher);
    } catch {
      // No such folder yet, or no watches left: the rescan finds changes until a later call of watch() gets through.
    }
  }

  #onEvent(): void {
    const { debounceMs = 30, maxDelayMs = 120 } = this.#options;
    const nowMs = performance.now();
    if (this.#quiet === undefined) this.#firstEventMs = nowMs;
    clearTimeout(this.#quiet);
    const delayMs = Math.max(0, Math.min(debounceMs, this.#firstEventMs + maxDelayMs - nowMs));
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      this.#options.onChange();
    }, delayMs);
    this.#quiet.unref();
  }
}

function foldersOf(file: string): readonly string[] {
  try {
    return [dirname(file), dirname(realpathSync(file))];
  } catch {
    // Not there yet: its own folder is where it will appear.
    return [dirname(file)];
  }
}
