// The table of flags of `sluice run`: Envoy's names. Help, parsing and the README's list are made from it.
import { parseArgs } from "node:util";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly type: "string" | "boolean";
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
  /** Accepted for compatibility, without meaning here: why. */
  readonly ignored?: string;
}

const hotRestart = "there is no hot restart: SO_REUSEPORT lets two processes overlap";

export const RUN_FLAGS: readonly Flag[] = [
  { name: "config-path", short: "c", type: "string", value: "FILE", help: "Envoy v3 bootstrap, YAML or JSON" },
  { name: "config-yaml", type: "string", value: "TEXT", help: "bootstrap text, merged over the file" },
  { name: "plugins", type: "string", value: "DIR", help: "folder of WasmPlugin and TrafficExtension resources, watched" },
  {
    name: "wasm-cache-dir",
    type: "string",
    value: "DIR",
    help: "where fetched modules are kept (default sluice/wasm in $XDG_CACHE_HOME or ~/.cache)",
  },
  { name: "mode", type: "string", value: "serve|validate", help: "validate: check the configuration and exit (default serve)" },
  { name: "concurrency", type: "string", value: "N", help: "worker threads (default: one a core)" },
  {
    name: "log-level",
    short: "l",
    type: "string",
    value: "LEVEL",
    help: "trace, debug, info, warning, error, critical or off (default info)",
  },
  { name: "component-log-level", type: "string", value: "A:LEVEL,B:LEVEL", help: "levels of single components" },
  { name: "log-path", type: "string", value: "FILE", help: "where the log goes (default standard error)" },
  { name: "log-json", type: "boolean", help: "JSON log lines on a terminal too" },
  { name: "service-cluster", type: "string", value: "NAME", help: "node.cluster where the bootstrap names none" },
  { name: "service-node", type: "string", value: "ID", help: "node.id where the bootstrap names none" },
  { name: "service-zone", type: "string", value: "ZONE", help: "node.locality.zone where the bootstrap names none" },
  {
    name: "drain-time-s",
    type: "string",
    value: "S",
    help: "seconds that connections of a replaced listener, or of a process that ends, may take (default 600)",
  },
  { name: "file-flush-interval-msec", type: "string", value: "MS", help: "how long access log lines are collected (default 1000)" },
  { name: "admin-address-path", type: "string", value: "FILE", help: "file to which the admin address is written" },
  { name: "parent-shutdown-time-s", type: "string", value: "S", help: "", ignored: hotRestart },
  { name: "restart-epoch", type: "string", value: "N", help: "", ignored: hotRestart },
  { name: "base-id", type: "string", value: "N", help: "", ignored: hotRestart },
  { name: "base-id-path", type: "string", value: "FILE", help: "", ignored: hotRestart },
  { name: "use-dynamic-base-id", type: "boolean", help: "", ignored: hotRestart },
  { name: "disable-hot-restart", type: "boolean", help: "", ignored: hotRestart },
  { name: "socket-path", type: "string", value: "FILE", help: "", ignored: hotRestart },
  { name: "socket-mode", type: "string", value: "MODE", help: "", ignored: hotRestart },
  {
    name: "drain-strategy",
    type: "string",
    value: "gradual|immediate",
    help: "",
    ignored: "answers of a draining listener always close their connection",
  },
  { name: "log-format", type: "string", value: "FORMAT", help: "", ignored: "log lines are JSON or the short form of a terminal" },
  { name: "log-format-escaped", type: "boolean", help: "", ignored: "messages are always escaped" },
  { name: "enable-fine-grain-logging", type: "boolean", help: "", ignored: "levels are set by component" },
  { name: "local-address-ip-version", type: "string", value: "v4|v6", help: "", ignored: "the local address is found from the interfaces" },
  { name: "reject-unknown-dynamic-fields", type: "boolean", help: "", ignored: "unknown fields are always refused" },
  { name: "ignore-unknown-dynamic-fields", type: "boolean", help: "", ignored: "unknown fields are always refused" },
  { name: "allow-unknown-fields", type: "boolean", help: "", ignored: "unknown fields are always refused" },
  { name: "allow-unknown-static-fields", type: "boolean", help: "", ignored: "unknown fields are always refused" },
  { name: "skip-deprecated-logs", type: "boolean", help: "", ignored: "there are no logs about deprecated fields" },
  { name: "disable-extensions", type: "string", value: "NAMES", help: "", ignored: "extensions are not compiled in or out" },
  { name: "enable-mutex-tracing", type: "boolean", help: "", ignored: "there are no mutexes to trace" },
  { name: "cpuset-threads", type: "boolean", help: "", ignored: "the number of threads follows the cores the process may use" },
  { name: "hot-restart-version", type: "boolean", help: "", ignored: hotRestart },
  { name: "stats-tag", type: "string", value: "TAG:VALUE", help: "", ignored: "stats_config.stats_tags of the bootstrap says the same" },
];

export class UsageError extends Error {}

export interface ParsedFlags {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  /** Flags that were given and mean nothing here, with the reason. */
  readonly ignored: readonly Flag[];
}

export function parseFlags(args: readonly string[], flags: readonly Flag[]): ParsedFlags {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = { help: { type: "boolean", short: "h" } };
  for (const flag of flags) options[flag.name] = flag.short === undefined ? { type: flag.type } : { type: flag.type, short: flag.short };
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false, strict: true });
    return {
      values: values as ParsedFlags["values"],
      ignored: flags.filter((flag) => flag.ignored !== undefined && values[flag.name] !== undefined),
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function textFlag(parsed: ParsedFlags, name: string): string | undefined {
  const value = parsed.values[name];
  return typeof value === "string" ? value : undefined;
}

export function numberFlag(parsed: ParsedFlags, name: string, least: number): number | undefined {
  const text = textFlag(parsed, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least) throw new UsageError(`--${name}: "${text}" is not a whole number of at least ${least}`);
  return value;
}

export function describeFlags(flags: readonly Flag[]): string {
  const used = flags.filter((flag) => flag.ignored === undefined);
  const left = used.map(
    (flag) =>
      `  ${flag.short === undefined ? "    " : `-${flag.short}, `}--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`,
  );
  const width = Math.max(...left.map((text) => text.length)) + 2;
  const lines = used.map((flag, i) => left[i].padEnd(width) + flag.help);
  const ignored = flags.filter((flag) => flag.ignored !== undefined).map((flag) => `--${flag.name}`);
  return ignored.length === 0
    ? lines.join("\n")
    : `${lines.join("\n")}\n\nAccepted for compatibility with Envoy, without effect:\n  ${ignored.join(" ")}`;
}
