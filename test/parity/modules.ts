// Modules written for the parity runs: compiled from test/parity/assembly at first use and kept, by the hash of all that goes
// into them, so that a rerun starts at once.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CACHE = join(ROOT, "dist/test/parity/modules");

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The path of the compiled module of test/parity/assembly/<name>. */
export function compiledModule(name: string): string {
  const source = join(ROOT, "test/parity/assembly", name);
  const hash = createHash("sha256");
  for (const file of [...filesUnder(source), ...filesUnder(join(ROOT, "sdk"))]) hash.update(readFileSync(file));
  hash.update(readFileSync(join(ROOT, "asconfig.json")));
  const path = join(CACHE, `${name}-${hash.digest("hex").slice(0, 16)}.wasm`);
  if (!existsSync(path)) compile(source, path);
  return path;
}

/** As a user's project does it: a folder with the package in node_modules. */
function compile(source: string, path: string): void {
  const folder = mkdtempSync(join(tmpdir(), "sluice-parity-module-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules/sluice"));
    cpSync(source, join(folder, "assembly"), { recursive: true });
    writeFileSync(join(folder, "asconfig.json"), '{"extends": "./node_modules/sluice/asconfig.json"}');
    const asc = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")), "bin/asc.js");
    execFileSync(process.execPath, [asc, "assembly/index.ts", "--target", "release", "--outFile", "module.wasm"], {
      cwd: folder,
      stdio: "pipe",
    });
    mkdirSync(CACHE, { recursive: true });
    // Under its own name first: another run may be compiling the same.
    const copy = `${path}.${process.pid}`;
    cpSync(join(folder, "module.wasm"), copy);
    renameSync(copy, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
