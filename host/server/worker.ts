// Entry of a worker thread: one data plane. Takes snapshots and orders from the main thread, sends back what it did.
import { parentPort, workerData } from "node:worker_threads";
import { Clock } from "../base/clock.ts";
import { type Logger, LogLevels } from "../base/log.ts";
import { systemRandom, systemTime } from "../base/system.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { applyDelta, EMPTY_SNAPSHOT, joinDelta, type SnapshotDelta, type SnapshotPart } from "../config/snapshot-delta.ts";
import { PluginHost } from "../extensions/plugin-host.ts";
import { setFormatterEnvironment } from "../http/formatter.ts";
import { StatsStore } from "../stats/store.ts";
import { DataPlane } from "./data-plane.ts";
import type { FromWorker, ToWorker, WorkerData, WorkerReport } from "./messages.ts";

function main(data: WorkerData, send: (message: FromWorker) => void, receive: (run: (message: ToWorker) => void) => void): void {
  const levels = new LogLevels("info");
  const setLevels = (given: WorkerData["levels"]): void => {
    for (const [component, level] of given) levels.set(component, level);
  };
  setLevels(data.levels);
  setFormatterEnvironment(data.hostname, (name) => process.env[name]);
  const logger: Logger = {
    enabled: (level, component) => levels.enabled(level, component),
    log: (level, component, message) => {
      if (levels.enabled(level, component)) send({ kind: "log", level, component, message });
    },
  };
  const clock = new Clock(systemTime);
  const stats = new StatsStore((announcement) => send({ kind: "stats", announcement }));
  let plugins: PluginHost | undefined;
  const dataPlane = new DataPlane({
    clock,
    random: systemRandom,
    stats,
    logger,
    localIp: data.localIp,
    node: data.node,
    maxConnections: data.maxConnections,
    drainTimeMs: data.drainTimeMs,
    fileFlushIntervalMs: data.fileFlushIntervalMs,
    pluginHost: (plane) => {
      plugins = new PluginHost({
        workerId: data.workerId,
        clock,
        random: systemRandom,
        stats,
        logger,
        node: data.node,
        shared: data.shared,
        clusters: plane.clusters,
        notifyQueue: (workerId, queueId) => send({ kind: "queue_ready", workerId, queueId }),
      });
      return plugins;
    },
  });
  let snapshot: Snapshot = EMPTY_SNAPSHOT;

  const report = (): WorkerReport => {
    const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    return {
      connections: dataPlane.connectionCount,
      plugins: plugins?.states() ?? [],
      memory: { heapUsed, heapTotal, external, arrayBuffers },
    };
  };

  const applySnapshot = async (message: Extract<ToWorker, { kind: "snapshot" }>, delta: SnapshotDelta): Promise<void> => {
    plugins?.addModules(message.modules);
    snapshot = applyDelta(snapshot, delta);
    const version = snapshot.version;
    const failures = await dataPlane.apply(snapshot);
    plugins?.keepModules(new Set(message.modulesInUse));
    send({ kind: "applied", version, failures, report: report() });
  };

  const stop = async (): Promise<void> => {
    await dataPlane.stop();
    send({ kind: "stopped" });
  };

  // Snapshots are taken over one after the other: the next waits for the listeners of the one before.
  let applying: Promise<void> = Promise.resolve();
  // An error in here is a fault of this worker: it ends, and the main thread starts another.
  const supervise = (work: Promise<void>): void => {
    work.catch((error: unknown) => {
      throw error;
    });
  };

  let parts: SnapshotPart[] = [];

  receive((message) => {
    switch (message.kind) {
      case "snapshot_part":
        parts.push(message.part);
        // Connections have their turn before the next part is asked for.
        setImmediate(() => send({ kind: "part_taken" }));
        break;
      case "snapshot": {
        const given = parts;
        parts = [];
        applying = applying.then(() => applySnapshot(message, joinDelta(message.delta, given)));
        supervise(applying);
        break;
      }
      case "log_levels":
        setLevels(message.levels);
        break;
      case "queue_ready":
        plugins?.onQueueReady(message.queueId);
        break;
      case "drain_listeners":
        dataPlane.drainListeners(message.inboundOnly);
        break;
      case "close_idle":
        dataPlane.closeIdle();
        break;
      case "reopen_logs":
        dataPlane.logFiles.reopen();
        break;
      case "report":
        send({ kind: "report", report: report() });
        break;
      case "stop":
        supervise(stop());
        break;
    }
  });
  send({ kind: "started" });
}

const port = parentPort;
if (port === null) throw new Error("worker.ts is the entry of a worker thread");
main(
  workerData as WorkerData,
  (message) => port.postMessage(message),
  (run) => port.on("message", run),
);
