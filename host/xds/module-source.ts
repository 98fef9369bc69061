// Modules from the file system and from the configuration itself: their digests at once, their bytes on demand. Those that have to
// be fetched are another source's, behind this one.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { LiveModuleSource, RemoteModuleSource } from "../config/extension.ts";
import type { ModuleCode } from "../config/module-code.ts";

/** Where nothing is fetched. */
const noRemote: RemoteModuleSource = {
  resolve: ({ url }) => ({ problem: `modules are not fetched here: ${url}` }),
  bytesOf: () => undefined,
  refresh: () => false,
  release: () => undefined,
  onChange: () => () => undefined,
};

interface KnownFile {
  /** inode, size and time of the last write: a file that kept them is not read again. */
  readonly stamp: string;
  readonly sha256: string;
}

/** Default of the limit on a module's size: 32 MiB, the most that any setting may allow. */
const maxModuleBytes = 33_554_432;

const magic = Buffer.from([0x00, 0x61, 0x73, 0x6d]);

export function createFileModuleSource(remote: RemoteModuleSource = noRemote): LiveModuleSource {
  const known = new Map<string, KnownFile>();
  const bytes = new Map<string, Uint8Array>();
  const files = new Set<string>();

  const keep = (module: Uint8Array): string => {
    const sha256 = createHash("sha256").update(module).digest("hex");
    bytes.set(sha256, module);
    return sha256;
  };

  /** undefined: not there. Files that could not be used are known by their stamp too, so that they are tried again once. */
  const stamps = new Map<string, string | undefined>();

  const resolveFile = (path: string): { readonly sha256: string } | { readonly problem: string } => {
    files.add(path);
    const stamp = stampOf(path);
    stamps.set(path, stamp);
    try {
      const { size } = statSync(path);
      const before = known.get(path);
      if (before !== undefined && before.stamp === stamp) return before;
      if (size > maxModuleBytes) return { problem: `module is larger than ${maxModuleBytes} bytes: ${path}` };
      const module = readFileSync(path);
      // A module that is being written begins as an empty file.
      if (!module.subarray(0, 4).equals(magic)) return { problem: `not a WebAssembly module: ${path}` };
      const file = { stamp: stamp ?? "", sha256: keep(module) };
      known.set(path, file);
      return file;
    } catch (error) {
      return { problem: `unable to read file: ${error instanceof Error ? error.message : String(error)}` };
    }
  };

  return {
    files,
    refresh() {
      let isChanged = remote.refresh();
      for (const path of files) {
        const stamp = stampOf(path);
        if (stamp !== stamps.get(path)) isChanged = true;
        stamps.set(path, stamp);
      }
      return isChanged;
    },
    release(inUse) {
      remote.release(inUse);
      for (const sha256 of bytes.keys()) if (!inUse.has(sha256)) bytes.delete(sha256);
      for (const [path, file] of known) if (!inUse.has(file.sha256)) known.delete(path);
    },
    bytesOf: (sha256) => bytes.get(sha256) ?? remote.bytesOf(sha256),
    // Files are watched by whoever reads the configuration.
    onChange: (listener) => remote.onChange(listener),
    resolve(code: ModuleCode) {
      if (code.kind === "remote") return remote.resolve(code);
      if (code.kind === "inline") {
        return magic.equals(code.bytes.subarray(0, 4))
          ? { sha256: keep(code.bytes), source: "inline" }
          : { problem: "not a WebAssembly module" };
      }
      const file = resolveFile(code.path);
      if ("problem" in file) return file;
      const wanted = code.sha256?.toLowerCase();
      if (wanted !== undefined && wanted !== file.sha256)
        return { problem: `module has sha256 ${file.sha256}, not ${wanted}: ${code.path}` };
      return { sha256: file.sha256, source: code.path };
    },
  };
}

/** undefined: there is no such file, or it cannot be looked at. */
function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino}/${stat.size}/${stat.mtimeMs}`;
}
