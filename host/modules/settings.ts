// Settings of module delivery from the environment, under the names that Istio's agent reads.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { messageOf } from "./contract.ts";

export interface ModuleSettings {
  readonly directory: string;
  /** WASM_MODULE_EXPIRY */
  readonly expiryMs: number;
  /** WASM_PURGE_INTERVAL */
  readonly purgeIntervalMs: number;
  /** WASM_INSECURE_REGISTRIES: hosts, or "*". */
  readonly insecureRegistries: ReadonlySet<string>;
  /** ISTIO_WASM_MAX_BINARY_SIZE_BYTES */
  readonly maxModuleBytes: number;
  /** SSL_CERT_FILE, and what Node has; undefined: what Node has. */
  readonly authorities: readonly string[] | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const hourMs = 3_600_000;
/** The most that any setting may allow. */
const hardMaxBytes = 33_554_432;

/** Throws an Error that names the variable. */
export function readSettings(environment: Environment, directory: string | undefined, maxModuleBytes: number): ModuleSettings {
  return {
    directory: directory ?? defaultDirectory(environment),
    expiryMs: duration(environment, "WASM_MODULE_EXPIRY") ?? 24 * hourMs,
    purgeIntervalMs: duration(environment, "WASM_PURGE_INTERVAL") ?? hourMs,
    insecureRegistries: new Set((environment.WASM_INSECURE_REGISTRIES ?? "").split(",").flatMap((host) => host.trim() || [])),
    maxModuleBytes: sizeOf(environment, "ISTIO_WASM_MAX_BINARY_SIZE_BYTES") ?? maxModuleBytes,
    authorities: authoritiesOf(environment),
  };
}

/** XDG base directories; without a home, nothing outlives the process. */
function defaultDirectory({ XDG_CACHE_HOME: cache }: Environment): string {
  return join(cache?.startsWith("/") === true ? cache : join(homedir(), ".cache"), "sluice", "wasm");
}

/** Go's time.Duration: "1h30m", "500ms". */
function duration(environment: Environment, name: string): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  const units: Readonly<Record<string, number>> = { h: hourMs, m: 60_000, s: 1000, ms: 1 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  const total = parts.reduce((sum, [, value, unit]) => sum + Number(value) * units[unit], 0);
  if (parts.map(([part]) => part).join("") !== text || total <= 0) throw new Error(`${name}: "${text}" is not a duration such as 24h`);
  return total;
}

function sizeOf(environment: Environment, name: string): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text) || Number(text) < 8) throw new Error(`${name}: "${text}" is not a number of bytes`);
  return Math.min(Number(text), hardMaxBytes);
}

function authoritiesOf({ SSL_CERT_FILE: file }: Environment): readonly string[] | undefined {
  if (file === undefined || file === "") return undefined;
  try {
    return [...rootCertificates, readFileSync(file, "utf8")];
  } catch (error) {
    throw new Error(`SSL_CERT_FILE: ${messageOf(error)}`, { cause: error });
  }
}
