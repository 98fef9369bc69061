// The xDS client with go-control-plane's server, which nobody of this project wrote: snapshots that flip, faster than they are read now
// and then. Needs a Go toolchain of 1.25 or later and its module proxy: node --test dist/test/peers/xds.peer.js
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { CLUSTER, ENDPOINTS, LISTENER, plainTarget, ROUTES, startTestClient, type Watched } from "../grpc/xds-client.ts";

const SOURCES = fileURLToPath(new URL("../../../test/peers/snapshots", import.meta.url));
const FLIPS = 200;

const folder = mkdtempSync(join(tmpdir(), "sluice-peers-xds-"));

interface Line {
  readonly port?: number;
  readonly snapshot?: number;
  /** Type → name → base64. */
  readonly resources?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly nack?: string;
  readonly stream?: number;
}

class Snapshots {
  readonly #process: ChildProcess;
  readonly lines: Line[] = [];
  #onLine: () => void = () => undefined;

  constructor() {
    const child = spawn(join(folder, "snapshots"), { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = child;
    createInterface({ input: child.stdout }).on("line", (text) => {
      this.lines.push(JSON.parse(text) as Line);
      this.#onLine();
    });
  }

  async line(what: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(what);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  flip(number: number): void {
    this.#process.stdin?.write(`${number}\n`);
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

before(() => {
  execFileSync("go", ["build", "-o", join(folder, "snapshots"), "."], { cwd: SOURCES, stdio: ["ignore", "ignore", "inherit"] });
});

after(() => rmSync(folder, { recursive: true, force: true }));

const CASES = [
  { variant: "delta", isAggregated: true },
  { variant: "sotw", isAggregated: true },
  { variant: "delta", isAggregated: false },
  { variant: "sotw", isAggregated: false },
] as const;

for (const { variant, isAggregated } of CASES) {
  test(`${variant}, ${isAggregated ? "aggregated" : "a stream for each type"}: ${FLIPS} snapshots`, async (t) => {
    const server = new Snapshots();
    t.after(() => server.stop());
    const { port } = await server.line((line) => line.port !== undefined);
    const { client, watch } = await startTestClient(t, { variant, isAggregated, target: () => plainTarget(port ?? 0) });
    const watched: Record<string, Watched> = {};
    const follow = (): void => {
      const names = new Set(watched[CLUSTER].has.keys());
      for (const name of watched[ENDPOINTS].has.keys()) if (!names.has(name)) watched[ENDPOINTS].has.delete(name);
      watched[ENDPOINTS].subscription.setNames(names);
    };
    watched[ENDPOINTS] = watch(ENDPOINTS, new Set());
    watched[LISTENER] = watch(LISTENER, "wildcard");
    watched[ROUTES] = watch(ROUTES, new Set(["table"]));
    // Endpoints are asked for by the clusters that are there, as a proxy does.
    watched[CLUSTER] = watch(CLUSTER, "wildcard", () => {
      setImmediate(follow);
      return { ok: true };
    });
    const state = (): object =>
      Object.fromEntries(
        Object.entries(watched).map(([type, { has }]) => [
          type,
          Object.fromEntries([...has].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")])),
        ]),
      );
    for (let number = 1; number <= FLIPS; number++) {
      server.flip(number);
      // Every other handful is not waited for.
      if (number % 10 > 4 && number !== FLIPS) continue;
      const { resources } = await server.line((line) => line.snapshot === number);
      const deadline = performance.now() + 10_000;
      for (;;) {
        try {
          assert.deepEqual(state(), resources, `snapshot ${number}`);
          break;
        } catch (error) {
          if (performance.now() > deadline) throw error;
          await new Promise((resolve) => {
            setTimeout(resolve, 2);
          });
        }
      }
    }
    assert.deepEqual(
      server.lines.filter((line) => line.nack !== undefined),
      [],
    );
    assert.equal(server.lines.filter((line) => line.stream !== undefined).length, isAggregated ? 1 : 4);
    assert.equal(client.status.reconnects, 0);
  });
}
