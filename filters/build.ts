// Compiles every filter of this folder in one compiler process: `node dist/filters/build.js [--debug] [--force]`.
// Writes dist/filters/<name>.wasm, with --debug also dist/filters/debug/<name>.wasm with source maps, and prints the sizes.
// A filter whose sources have not changed is left alone. Exits 1 if one does not compile, imports something besides
// `env.proxy_*`, or is larger than its limit.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

declare global {
  namespace WebAssembly {
    interface ModuleConstructor {
      imports(module: Module): { readonly module: string; readonly name: string }[];
    }
  }
}

/**
 * Bytes that a release build may have. Every proxy keeps each module once a worker, and a module that grows has usually linked a
 * part of the standard library by accident: a limit is raised on purpose or not at all.
 */
const sizeLimits: Readonly<Record<string, number>> = {
  authz: 28_672,
  "body-transform": 13_824,
  callout: 18_432,
  "first-bytes": 12_288,
  "header-mutation": 10_240,
  "rate-limit": 17_408,
};

type Target = "release" | "debug";

interface Output {
  readonly name: string;
  readonly target: Target;
  readonly bytes: number;
  readonly state: "built" | "unchanged" | "failed";
}

/** The package's root: the compiled file runs in dist/filters, the source lies in filters. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "asconfig.json")) || !existsSync(join(folder, "sdk"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("asconfig.json and sdk/ not found above the build script");
    folder = parent;
  }
  return folder;
}

const root = packageRoot();

/** `sluice/…` is this package itself; outside it the compiler finds it in node_modules. */
async function readSource(name: string, baseDir: string): Promise<string | null> {
  const path = resolve(baseDir, name);
  const inside = path.lastIndexOf("/node_modules/sluice/");
  const real = inside < 0 ? path : join(root, path.slice(inside + "/node_modules/sluice/".length));
  // The compiler tries several paths for one import; null says that this one is not it.
  return existsSync(real) ? await readFile(real, "utf8") : null;
}

async function writeOutput(name: string, contents: string | Uint8Array, baseDir: string): Promise<void> {
  const path = resolve(baseDir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}

async function listSources(name: string, baseDir: string): Promise<string[] | null> {
  const path = resolve(baseDir, name);
  return existsSync(path) ? (await readdir(path)).filter((file) => file.endsWith(".ts")) : null;
}

function hashFolder(hash: ReturnType<typeof createHash>, folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(ts|json)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  }
}

/** A digest of everything a filter's output depends on. */
function sourceDigest(name: string, target: Target): string {
  const hash = createHash("sha256").update(`${target}\0`);
  hash.update(readFileSync(createRequire(import.meta.url).resolve("assemblyscript/package.json")));
  hash.update(readFileSync(join(root, "asconfig.json")));
  hashFolder(hash, join(root, "sdk"));
  hashFolder(hash, join(root, "filters", name));
  return hash.digest("hex");
}

/** Why a release build is refused for its size; undefined: it is not. */
function sizeProblem({ name, target, bytes }: Output): string | undefined {
  if (target !== "release") return undefined;
  const limit = sizeLimits[name];
  if (limit === undefined) return `${name} has no size limit; give it a row in filters/build.ts`;
  return bytes > limit ? `${name} has ${bytes} bytes; its limit is ${limit}` : undefined;
}

/** Imports outside `env.proxy_*`, which other hosts do not have. */
async function foreignImports(path: string): Promise<string[]> {
  const module = await WebAssembly.compile(await readFile(path));
  return WebAssembly.Module.imports(module)
    .filter((item) => item.module !== "env" || !item.name.startsWith("proxy_"))
    .map((item) => `${item.module}.${item.name}`);
}

async function buildFilter(name: string, target: Target, force: boolean): Promise<Output> {
  const out = target === "release" ? `dist/filters/${name}.wasm` : `dist/filters/debug/${name}.wasm`;
  const path = join(root, out);
  const stamp = join(root, "dist/filters/.stamps", `${name}.${target}`);
  const digest = sourceDigest(name, target);
  if (!force && existsSync(path) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) {
    return { name, target, bytes: readFileSync(path).length, state: "unchanged" };
  }
  // Loading the compiler costs more than the whole check of an unchanged tree.
  const asc = await import("assemblyscript/asc");
  const { error, stderr } = await asc.main(
    [`filters/${name}/index.ts`, "--config", `filters/${name}/asconfig.json`, "--baseDir", root, "--target", target, "--outFile", out],
    { readFile: readSource, writeFile: writeOutput, listFiles: listSources },
  );
  if (error !== null) {
    process.stderr.write(`${name} (${target}): ${error.message}\n${stderr.toString()}`);
    return { name, target, bytes: 0, state: "failed" };
  }
  const foreign = await foreignImports(path);
  if (foreign.length > 0) {
    process.stderr.write(`${name} (${target}): imports ${foreign.join(", ")}, which other hosts do not offer\n`);
    return { name, target, bytes: 0, state: "failed" };
  }
  await mkdir(dirname(stamp), { recursive: true });
  await writeFile(stamp, digest);
  return { name, target, bytes: readFileSync(path).length, state: "built" };
}

function filterNames(): string[] {
  return readdirSync(join(root, "filters"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, "filters", entry.name, "index.ts")))
    .map((entry) => entry.name)
    .sort();
}

async function main(): Promise<void> {
  const force = process.argv.includes("--force");
  const targets: Target[] = process.argv.includes("--debug") ? ["release", "debug"] : ["release"];
  const outputs: Output[] = [];
  for (const target of targets) {
    for (const name of filterNames()) outputs.push(await buildFilter(name, target, force));
  }
  for (const output of outputs) {
    const size = `${(output.bytes / 1024).toFixed(1)} KB`;
    process.stdout.write(`${output.name.padEnd(18)} ${output.target.padEnd(8)} ${size.padStart(8)}  ${output.state}\n`);
  }
  const problems = outputs.flatMap((output) => (output.state === "failed" ? [] : (sizeProblem(output) ?? [])));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0 || outputs.some((output) => output.state === "failed")) process.exitCode = 1;
}

await main();
