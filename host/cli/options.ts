// Flags of `sluice run` → what the server takes.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { isLogComponent, isLogLevel, LOG_COMPONENTS, LOG_LEVELS, type LogComponent, type LogLevel } from "../base/log.ts";
import type { ServerOptions } from "../server/server.ts";
import { numberFlag, type ParsedFlags, textFlag, UsageError } from "./flags.ts";

/** Envoy says "warn" and "err" in places; both are taken. */
const LEVEL_ALIASES: Readonly<Record<string, LogLevel>> = { warn: "warning", err: "error", fatal: "critical" };

function level(text: string, flag: string): LogLevel {
  const name = LEVEL_ALIASES[text] ?? text;
  if (!isLogLevel(name)) throw new UsageError(`--${flag}: "${text}" is not a level; use one of ${LOG_LEVELS.join(", ")}`);
  return name;
}

function componentLevels(text: string | undefined): (readonly [LogComponent, LogLevel])[] {
  if (text === undefined || text === "") return [];
  return text.split(",").map((pair) => {
    const [component, name, ...rest] = pair.split(":");
    if (name === undefined || rest.length > 0) throw new UsageError(`--component-log-level: "${pair}" is not COMPONENT:LEVEL`);
    if (!isLogComponent(component))
      throw new UsageError(`--component-log-level: "${component}" is not a component; use one of ${LOG_COMPONENTS.join(", ")}`);
    return [component, level(name, "component-log-level")] as const;
  });
}

export function readConfigFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read the configuration: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function serverOptions(parsed: ParsedFlags): ServerOptions {
  const configPath = textFlag(parsed, "config-path");
  const configYaml = textFlag(parsed, "config-yaml");
  if (configPath === undefined && configYaml === undefined) {
    throw new UsageError("At least one of --config-path or --config-yaml should be non-empty, for example: sluice run -c envoy.yaml");
  }
  return {
    config: {
      file: configPath === undefined ? undefined : readConfigFile(configPath),
      configYaml,
      nodeId: textFlag(parsed, "service-node"),
      nodeCluster: textFlag(parsed, "service-cluster"),
      nodeZone: textFlag(parsed, "service-zone"),
    },
    configPath,
    pluginsDirectory: textFlag(parsed, "plugins"),
    wasmCacheDirectory: textFlag(parsed, "wasm-cache-dir"),
    concurrency: numberFlag(parsed, "concurrency", 0) || availableParallelism(),
    drainTimeS: numberFlag(parsed, "drain-time-s", 0) ?? 600,
    fileFlushIntervalMs: numberFlag(parsed, "file-flush-interval-msec", 1),
    adminAddressPath: textFlag(parsed, "admin-address-path"),
    log: {
      level: level(textFlag(parsed, "log-level") ?? "info", "log-level"),
      components: componentLevels(textFlag(parsed, "component-log-level")),
      path: textFlag(parsed, "log-path"),
      json: parsed.values["log-json"] === true ? true : undefined,
    },
    commandLine: Object.fromEntries(
      Object.entries(parsed.values).filter((entry): entry is [string, string | boolean] => entry[1] !== undefined),
    ),
  };
}
