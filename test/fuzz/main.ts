// npm run fuzz -- --target NAME|all --runs N --seed S: mutates the corpus of a target and runs each input. The first crash stops the
// target, is written down, and makes the exit code 1; it is reproduced by the same seed.
import { SeededRandom } from "../support/seeded-random.ts";
import { mutate } from "./mutate.ts";
import { TARGETS, type Target } from "./targets.ts";

interface Options {
  readonly target: string;
  readonly runs: number;
  readonly seed: number;
}

function readOptions(args: readonly string[]): Options {
  const value = (name: string): string | undefined => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  const target = value("target") ?? "all";
  if (target !== "all" && !Object.hasOwn(TARGETS, target))
    throw new Error(`no target ${target}; there are ${Object.keys(TARGETS).join(", ")}`);
  return { target, runs: Number(value("runs") ?? 10_000), seed: Number(value("seed") ?? 1) };
}

/** True when no input crashed. */
async function fuzz(name: string, target: Target, runs: number, seed: number): Promise<boolean> {
  const random = new SeededRandom(seed);
  const startedAt = performance.now();
  let accepted = 0;
  for (let i = 0; i < runs; i++) {
    const input = mutate(random, target.corpus, target.tokens);
    try {
      const result = target.run(input, random);
      if (typeof result === "boolean" ? result : await result) accepted++;
    } catch (error) {
      console.error(`${name}: input ${i} of seed ${seed} crashed: ${error instanceof Error ? error.stack : String(error)}`);
      console.error(JSON.stringify(input.toString("latin1")));
      return false;
    }
  }
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${name}: ${runs} inputs, ${accepted} accepted, 0 crashes, ${seconds.toFixed(1)} s, ${Math.round(runs / seconds)} executions/s`,
  );
  return true;
}

const options = readOptions(process.argv.slice(2));
const names = options.target === "all" ? Object.keys(TARGETS) : [options.target];
for (const name of names) {
  if (!(await fuzz(name, TARGETS[name](), options.runs, options.seed))) process.exitCode = 1;
}
