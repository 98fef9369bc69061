// Compiles a fixture as a user of the package would: a folder with node_modules/sluice, asc's own command line, and an
// asconfig.json that extends the package's.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** The compiled module of test/unit/sdk/fixtures/assembly/<name>. Throws with the compiler's words if it does not compile. */
export function compileFixture(name: string): Uint8Array {
  return compileSource(readFileSync(join(root, "test/unit/sdk/fixtures/assembly", name, "index.ts"), "utf8"));
}

/** The first TypeScript example of the SDK's README. */
export function readmeExample(): string {
  const text = readFileSync(join(root, "sdk/README.md"), "utf8");
  const start = text.indexOf("```ts\n") + 6;
  return text.slice(start, text.indexOf("```", start));
}

/** The compiled module of one source text. */
export function compileSource(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "sluice-filter-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules/sluice"));
    mkdirSync(join(folder, "assembly"));
    writeFileSync(join(folder, "assembly/index.ts"), source);
    writeFileSync(join(folder, "asconfig.json"), '{"extends": "./node_modules/sluice/asconfig.json"}');
    const asc = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")), "bin/asc.js");
    execFileSync(process.execPath, [asc, "assembly/index.ts", "--target", "release", "--outFile", "filter.wasm"], {
      cwd: folder,
      stdio: "pipe",
    });
    return readFileSync(join(folder, "filter.wasm"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
