// `npm test`: every compiled *.test.js under node's own runner. Suites that need a peer (*.parity.ts, *.foreign.ts), load, benchmarks
// and open-ended fuzzing are run by name. Arguments are parts of paths: `npm test -- unit/wasm router`.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const compiled = dirname(fileURLToPath(import.meta.url));
const root = join(compiled, "..", "..");
const leftOut = new Set(["bench", "fuzz", "load"]);
/** No single test is meant to come near this: one that hangs is a failure, not a run without an end. */
const TEST_TIMEOUT_MS = 120_000;

/** A compiled file whose source is gone is a left-over of an earlier build. */
function hasSource(name: string): boolean {
  return existsSync(join(root, "test", name.replace(/\.js$/, ".ts")));
}

function findTests(filters: readonly string[]): string[] {
  return readdirSync(compiled, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js") && !leftOut.has(name.split(sep)[0]) && hasSource(name))
    .map((name) => relative(process.cwd(), join(compiled, name)))
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter.replace(/\.ts$/, ".js"))))
    .sort();
}

function main(args: readonly string[]): void {
  const filters = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  const files = findTests(filters);
  if (files.length === 0) {
    console.error(`no test matches ${filters.join(" ")}`);
    process.exitCode = 1;
    return;
  }
  const options = ["--test", "--test-reporter=spec", `--test-concurrency=${availableParallelism()}`, `--test-timeout=${TEST_TIMEOUT_MS}`];
  const child = spawn(process.execPath, [...options, ...flags, ...files], { stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
  child.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}

main(process.argv.slice(2));
