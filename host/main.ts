#!/usr/bin/env node
// The command line: one verb a file under cli/. Exit codes: 0 good, 1 the work failed, 64 wrong usage.
import { demo } from "./cli/demo.ts";
import { UsageError } from "./cli/flags.ts";
import { run } from "./cli/run.ts";
import { validate } from "./cli/validate.ts";
import type { CliIo, Verb } from "./cli/verb.ts";
import { VERSION } from "./server/version.ts";

const VERBS: readonly Verb[] = [run, validate, demo];

const io: CliIo = {
  out: (line) => process.stdout.write(`${line}\n`),
  error: (line) => process.stderr.write(`${line}\n`),
};

function help(): string {
  const width = Math.max(...VERBS.map((verb) => verb.name.length)) + 2;
  return [
    "Sluice: a WebAssembly filter platform for the service mesh.",
    "",
    "Usage: sluice VERB [flags]",
    "",
    ...VERBS.map((verb) => `  ${verb.name.padEnd(width)}${verb.summary}`),
    "",
    "sluice help VERB, or sluice VERB --help, says more. sluice --version prints the version.",
  ].join("\n");
}

function verbHelp(verb: Verb): string {
  return `${verb.summary}\n\nUsage: ${verb.usage}\n\n${verb.details()}`;
}

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined || first === "--help" || first === "-h") {
    io.out(help());
    return first === undefined ? 64 : 0;
  }
  if (first === "--version" || first === "version") {
    io.out(`sluice ${VERSION} (Node ${process.versions.node})`);
    return 0;
  }
  const wantsHelp = first === "help";
  const name = wantsHelp ? rest[0] : first;
  const verb = VERBS.find((candidate) => candidate.name === name);
  if (wantsHelp && name === undefined) {
    io.out(help());
    return 0;
  }
  if (verb === undefined) {
    io.error(`sluice: unknown verb "${name}"; see sluice --help`);
    return 64;
  }
  if (wantsHelp) {
    io.out(verbHelp(verb));
    return 0;
  }
  try {
    const result = await verb.execute(rest, io);
    if (result !== "help") return result;
    io.out(verbHelp(verb));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.error(`sluice ${verb.name}: ${error.message}`);
    io.error(`see sluice ${verb.name} --help`);
    return 64;
  }
}

process.exitCode = await main(process.argv.slice(2));
// Whatever still holds the event loop must not hold the exit.
setTimeout(() => process.exit(), 500).unref();
