// Module delivery, put together: the one import for whoever composes the host.
import type { StatsStore } from "../stats/store.ts";
import type { ModuleClock, ModuleLog } from "./contract.ts";
import { DiskCache } from "./disk-cache.ts";
import { HttpGetter } from "./http-get.ts";
import { type ClusterGet, ModuleFetcher } from "./module-fetcher.ts";
import { ModuleStats } from "./module-stats.ts";
import { RemoteModules } from "./remote-modules.ts";
import type { ModuleSettings } from "./settings.ts";

export interface ModuleDeliveryOptions {
  readonly settings: ModuleSettings;
  readonly clock: ModuleClock;
  readonly log: ModuleLog;
  readonly stats: StatsStore;
  readonly clusterGet: ClusterGet;
  /** Of this process; undefined: the system has no such thing. */
  readonly uid: number | undefined;
  random(): number;
}

/** As many as a proxy may have plugins. */
const maxModules = 1000;
const maxDownloads = 4;
const maxCacheBytes = 536_870_912;
const maxMemoryBytes = 134_217_728;

export function createRemoteModules(options: ModuleDeliveryOptions): RemoteModules {
  const { settings, clock, log, stats: store, clusterGet } = options;
  const { insecureRegistries, authorities, maxModuleBytes, purgeIntervalMs } = settings;
  const stats = new ModuleStats(store);
  const cache = new DiskCache({
    directory: settings.directory,
    maxBytes: maxCacheBytes,
    expiryMs: settings.expiryMs,
    uid: options.uid,
    nowMs: () => clock.nowMs(),
    onProblem: (message) => {
      stats.cacheProblems.inc();
      log.warn(message);
    },
  });
  const getter = new HttpGetter({
    clock,
    authorities,
    isInsecure: (host) => insecureRegistries.has("*") || insecureRegistries.has(host),
  });
  const fetcher = new ModuleFetcher({ getter, clusterGet, clock, maxBytes: maxModuleBytes, random: () => options.random() });
  return new RemoteModules({
    clock,
    log,
    cache,
    stats,
    purgeIntervalMs,
    maxModules,
    maxDownloads,
    maxMemoryBytes,
    fetch: (code, known, signal) => fetcher.fetch(code, known, signal),
  });
}
