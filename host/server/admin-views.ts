// What the admin API shows, gathered from the parts of the server.
import type { AdminPlugin, AdminViews } from "../admin/views.ts";
import { isLogComponent, isLogLevel } from "../base/log.ts";
import type { PluginStatus } from "../xds/plugin-resources.ts";
import type { PluginVerdict } from "./plugin-gate.ts";
import { certificatesOf } from "./certificates.ts";
import type { Parts, Server } from "./server.ts";
import { VERSION } from "./version.ts";
import type { WorkerReport } from "./messages.ts";

export function createAdminViews(server: Server, parts: Parts): AdminViews {
  const { bootstrap } = parts.loaded;
  const deployed = () => parts.pipeline.deployed?.snapshot;
  const staticClusters = new Set(parts.loaded.clusters.map((cluster) => cluster.name));
  return {
    version: VERSION,
    startedAtMs: server.lifecycle.startedAtMs,
    node: bootstrap.node,
    bootstrapJson: parts.loaded.json,
    commandLine: server.options.commandLine,
    concurrency: server.options.concurrency,
    statsTags: bootstrap.statsTags,
    useAllDefaultTags: bootstrap.useAllDefaultTags,
    stats: server.mergedStats,
    refreshStats: () => {
      parts.workers.requestReports();
      parts.serverStats.refresh(parts.workers.connections);
    },
    state: () => (server.lifecycle.healthCheckFailed ? "DRAINING" : server.lifecycle.state),
    clusters: () =>
      (deployed()?.clusters ?? []).map((config) => ({
        config,
        addedViaApi: !staticClusters.has(config.name),
        assignment: config.type === "STATIC" ? undefined : deployed()?.endpoints[config.edsServiceName || config.name],
      })),
    listeners: () => (deployed()?.listeners ?? []).map(({ name, addresses }) => ({ name, addresses })),
    resources: () => parts.control.resources,
    plugins: () => describePlugins(parts),
    modules: () => parts.modules.states,
    certificates: () => {
      const snapshot = deployed();
      return snapshot === undefined ? [] : certificatesOf(snapshot);
    },
    runtime: () => deployed()?.runtime ?? {},
    memory: () => {
      const memory = process.memoryUsage();
      return {
        allocatedBytes: memory.heapUsed + memory.external,
        heapSizeBytes: memory.heapTotal,
        heapFreeBytes: memory.heapTotal - memory.heapUsed,
        physicalBytes: memory.rss,
      };
    },
    logLevels: () => server.logger.levels.entries(),
    setLogLevel: (component, level) => {
      if (!isLogLevel(level)) throw new Error(`log level ${level} was not checked`);
      if (component !== undefined && !isLogComponent(component)) throw new Error(`log component ${component} was not checked`);
      server.setLogLevel(component, level);
    },
    drainListeners: ({ inboundOnly }) => parts.workers.drainListeners(inboundOnly),
    quit: () => server.shutdown(),
    setHealthCheckFailed: (isFailed) => {
      server.lifecycle.healthCheckFailed = isFailed;
    },
    reopenLogs: () => parts.workers.reopenLogs(),
  };
}

type Reports = readonly { readonly workerId: number; readonly report: WorkerReport | undefined }[];

/** Resources of the plugins folder first, then plugins that filter configurations brought. */
function describePlugins(parts: Parts): AdminPlugin[] {
  const verdicts = new Map(parts.gate.plugins.map((verdict) => [verdict.name, verdict]));
  const reports = parts.workers.reports;
  const described: AdminPlugin[] = [];
  for (const status of parts.control.pluginStatuses) {
    const name = status.id.slice(status.id.indexOf("/") + 1);
    described.push(ofResource(status, name, verdicts.get(name), reports));
    verdicts.delete(name);
  }
  for (const verdict of verdicts.values()) {
    const workers = workersOf(verdict.name, reports);
    described.push({
      id: verdict.name,
      name: verdict.name,
      source: verdict.source,
      sha256: verdict.refusal === undefined ? verdict.sha256 : workers[0]?.sha256,
      acceptedAtMs: verdict.inForceSinceMs,
      fetching: undefined,
      workers,
      rejected: verdict.refusal === undefined ? undefined : { atMs: verdict.atMs, problems: [{ path: "", reason: verdict.refusal }] },
      json: undefined,
    });
  }
  return described;
}

function ofResource(status: PluginStatus, name: string, verdict: PluginVerdict | undefined, reports: Reports): AdminPlugin {
  const workers = workersOf(name, reports);
  const refused = verdict?.refusal === undefined ? undefined : { atMs: verdict.atMs, problems: [{ path: "", reason: verdict.refusal }] };
  return {
    id: status.id,
    name,
    source: status.file,
    sha256: refused === undefined ? status.sha256 : workers[0]?.sha256,
    acceptedAtMs: verdict?.inForceSinceMs ?? status.acceptedAtMs,
    fetching: status.fetching,
    workers,
    // A resource that cannot be read is older news than one whose module refused it only if it came first.
    rejected: status.rejected ?? refused,
    json: status.json,
  };
}

function workersOf(name: string, reports: Reports): { workerId: number; isLoaded: boolean; sha256: string; failure: string }[] {
  return reports.flatMap(({ workerId, report }) => {
    const state = report?.plugins.find((plugin) => plugin.name === name);
    return state === undefined ? [] : [{ workerId, isLoaded: state.loaded, sha256: state.sha256, failure: state.failure }];
  });
}
