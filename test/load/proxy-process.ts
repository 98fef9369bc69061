// A proxy in a process of its own, so that its memory and time are its own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TICKS_PER_SECOND = 100;

/** Resident bytes, and seconds of CPU so far. */
export function usage(pid: number): { readonly memory: number; readonly cpu: number } {
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
  return { memory, cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND };
}

export interface ProxyProcess {
  readonly pid: number;
  stop(): void;
}

/** Sluice, or the Envoy that SLUICE_ENVOY names, with one worker. */
export function startProxy(kind: "sluice" | "envoy", configuration: object): ProxyProcess {
  const folder = mkdtempSync(join(tmpdir(), "sluice-load-"));
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify(configuration));
  const flags = ["-c", path, "--concurrency", "1", "-l", "error"];
  const child: ChildProcess =
    kind === "envoy"
      ? spawn(process.env.SLUICE_ENVOY ?? "envoy", [...flags, "--base-id", String(1 + (process.pid % 30_000))], { stdio: "inherit" })
      : spawn(process.execPath, [new URL("../../host/main.js", import.meta.url).pathname, "run", ...flags], { stdio: "inherit" });
  return {
    pid: child.pid ?? 0,
    stop: () => {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    },
  };
}
