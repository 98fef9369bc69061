// Listening ports before the workers open them: "any port" (0) becomes one port for all workers, and an address that another process
// holds is found out while it can still be told apart from our own workers (SO_REUSEPORT would share it silently).
import { createServer } from "node:net";
import type { Listener } from "../config/listener.ts";
import type { Snapshot } from "../config/snapshot.ts";

export class Ports {
  private readonly chosen = new Map<string, number>();
  private readonly ours = new Set<string>();
  private readonly resolved = new WeakMap<Listener, Listener>();

  /** The snapshot with every port 0 replaced; the same listener keeps its port. */
  async resolve(snapshot: Snapshot): Promise<Snapshot> {
    const listeners = await Promise.all(snapshot.listeners.map((listener) => this.resolveListener(listener)));
    return listeners.every((listener, i) => listener === snapshot.listeners[i]) ? snapshot : { ...snapshot, listeners };
  }

  private async resolveListener(listener: Listener): Promise<Listener> {
    if (listener.addresses.every((address) => address.kind === "pipe" || address.port !== 0)) return listener;
    const known = this.resolved.get(listener);
    if (known !== undefined) return known;
    const addresses = await Promise.all(
      listener.addresses.map(async (address, i) => {
        if (address.kind === "pipe" || address.port !== 0) return address;
        const key = `${listener.name}|${i}`;
        let port = this.chosen.get(key);
        if (port === undefined) {
          port = await freePort(address.address);
          this.chosen.set(key, port);
        }
        return { ...address, port };
      }),
    );
    const result = { ...listener, addresses };
    this.resolved.set(listener, result);
    return result;
  }

  /** Addresses that another process holds: "cannot bind '127.0.0.1:80': Address already in use". */
  async conflicts(listeners: readonly Listener[]): Promise<string[]> {
    const problems: string[] = [];
    for (const listener of listeners) {
      for (const address of listener.addresses) {
        if (address.kind === "pipe" || address.port === 0) continue;
        const key = `${address.address}:${address.port}`;
        if (this.ours.has(key)) continue;
        const error = await bindError(address.address, address.port);
        if (error === undefined) this.ours.add(key);
        else problems.push(`error adding listener '${listener.name}': cannot bind '${key}': ${ERRNO[error] ?? error}`);
      }
    }
    return problems;
  }
}

const ERRNO: Readonly<Record<string, string>> = {
  EADDRINUSE: "Address already in use",
  EACCES: "Permission denied",
  EADDRNOTAVAIL: "Cannot assign requested address",
};

function bindError(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** `port`, or the next one that is free, at most 100 further. */
export async function freePortFrom(host: string, port: number): Promise<number> {
  for (let candidate = port; candidate < port + 100; candidate++) if ((await bindError(host, candidate)) === undefined) return candidate;
  throw new Error(`no free port from ${port} to ${port + 99} on ${host}`);
}
