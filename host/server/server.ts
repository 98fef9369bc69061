// The composition root: builds everything in order, and takes it down again. Reads from top to bottom; the work is done elsewhere.
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { Clock } from "../base/clock.ts";
import type { LogComponent, LogLevel } from "../base/log.ts";
import { systemRandom, systemTime } from "../base/system.ts";
import { AdminServer } from "../admin/server.ts";
import { createSharedMemory } from "../extensions/plugin-host.ts";
import { setFormatterEnvironment } from "../http/formatter.ts";
import { createRemoteModules } from "../modules/index.ts";
import type { RemoteModules } from "../modules/remote-modules.ts";
import { readSettings } from "../modules/settings.ts";
import { MergedStats } from "../stats/merged-stats.ts";
import { StatsStore } from "../stats/store.ts";
import { DefaultLimits } from "../wasm/limits.ts";
import { loadModule } from "../wasm/module.ts";
import { systemClock } from "../xds/clock.ts";
import { ConfigControl } from "../xds/control.ts";
import { type BootstrapText, type LoadedBootstrap, loadBootstrap } from "../xds/load-bootstrap.ts";
import { formatProblems } from "../xds/problems.ts";
import { createAdminViews } from "./admin-views.ts";
import { ConfigPipeline } from "./config-pipeline.ts";
import { DnsResolver, systemLookup } from "./dns-resolver.ts";
import { HealthChecks } from "./health-checks.ts";
import { Lifecycle } from "./lifecycle.ts";
import { findLocalIp } from "./local-ip.ts";
import { createHostLogger, type HostLogger, type HostLoggerOptions } from "./logger.ts";
import { ModuleClusters } from "./module-clusters.ts";
import { PluginGate } from "./plugin-gate.ts";
import { Ports } from "./ports.ts";
import { ServerStats } from "./server-stats.ts";
import { createCanary, tryPlugins } from "./try-plugins.ts";
import { Workers } from "./workers.ts";
import { XdsStreams } from "./xds-streams.ts";
import { createXdsServices } from "./xds-services.ts";

export interface ServerOptions {
  readonly config: BootstrapText;
  readonly configPath: string | undefined;
  readonly pluginsDirectory: string | undefined;
  /** Where fetched modules are kept; undefined: in the cache folder of the user. */
  readonly wasmCacheDirectory?: string | undefined;
  readonly concurrency: number;
  readonly drainTimeS: number;
  readonly fileFlushIntervalMs: number | undefined;
  readonly adminAddressPath: string | undefined;
  readonly log: HostLoggerOptions;
  /** For /server_info. */
  readonly commandLine: Readonly<Record<string, string | boolean>>;
  /** false: signals are left alone (a server inside another program). Default true. */
  readonly handleSignals?: boolean;
}

/** The server cannot start; the lines say why. */
export class StartError extends Error {
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}

/** Default of the global limit on downstream connections: 10 000, or what half of the file descriptors allow. */
const DEFAULT_MAX_CONNECTIONS = 10_000;

/** How old the states of plugins and numbers of connections in the admin API may be. */
const REPORT_INTERVAL_MS = 1000;

export class Server {
  readonly options: ServerOptions;
  readonly logger: HostLogger;
  readonly mergedStats = new MergedStats();
  readonly lifecycle: Lifecycle;
  private readonly stats: StatsStore;
  private parts: Parts | undefined = undefined;
  private delivery: Delivery | undefined = undefined;
  private reportTimer: NodeJS.Timeout | undefined = undefined;

  constructor(options: ServerOptions) {
    this.options = options;
    this.logger = createHostLogger(options.log);
    this.stats = new StatsStore((announcement) => this.mergedStats.announce(0, announcement));
    this.lifecycle = new Lifecycle(this.logger, options.drainTimeS * 1000);
    setFormatterEnvironment(hostname(), (name) => process.env[name]);
  }

  /** Resolves when the configuration is in force on every worker. Throws StartError. */
  async start(): Promise<void> {
    try {
      await this.startParts();
    } catch (error) {
      // What is being fetched would keep the process alive.
      this.delivery?.modules.close();
      throw error;
    }
  }

  private async startParts(): Promise<void> {
    const { options, logger } = this;
    const delivery = this.createDelivery();
    this.delivery = delivery;
    const services = createXdsServices(delivery.modules);
    const result = loadBootstrap(options.config, services);
    if (!result.ok)
      throw new StartError([
        `error initializing configuration${options.configPath === undefined ? "" : ` '${options.configPath}'`}:`,
        formatProblems(result.problems),
      ]);
    const loaded = result.value;
    const refusals = await tryPlugins(loaded, services);
    if (refusals.length > 0) throw new StartError(refusals);

    const parts = this.build(loaded, services, delivery);
    this.parts = parts;
    const conflicts = await parts.ports.conflicts(loaded.listeners.map((resource) => resource.config));
    if (conflicts.length > 0) throw new StartError(conflicts);
    parts.workers.start();
    parts.control.start();
    await parts.pipeline.settled();
    if (this.bindFailures.length > 0) throw new StartError(this.bindFailures);
    this.isStarting = false;
    if (loaded.bootstrap.admin.address !== undefined) await this.startAdmin(parts, loaded);
    this.reportTimer = setInterval(() => parts.workers.requestReports(), REPORT_INTERVAL_MS).unref();
    const live = this.goLive(parts);
    if (parts.control.isInitialized) await live;
    else logger.log("info", "main", "waiting for the configuration of the control plane");
    if (options.handleSignals !== false)
      this.lifecycle.handleSignals({
        reload: () => parts.control.refresh(),
        reopenLogs: () => parts.workers.reopenLogs(),
        drain: () => this.drain(parts),
      });
  }

  private bindFailures: string[] = [];
  private isStarting = true;
  private onInitialized: () => void = () => {};
  private readonly initialized = new Promise<void>((resolve) => {
    this.onInitialized = resolve;
  });

  /** When clusters and listeners have come, or were waited for long enough, and are in force. */
  private async goLive(parts: Parts): Promise<void> {
    await this.initialized;
    await parts.pipeline.settled();
    if (this.parts !== parts) return;
    this.lifecycle.onLive();
    const count = parts.pipeline.deployed?.snapshot.listeners.length ?? 0;
    this.logger.log("info", "main", `serving: ${count} listener(s) on ${this.options.concurrency} worker(s)`);
  }

  private createDelivery(): Delivery {
    const { options, logger, stats } = this;
    const clusters = new ModuleClusters();
    try {
      const modules = createRemoteModules({
        settings: readSettings(process.env, options.wasmCacheDirectory, DefaultLimits.maxModuleBytes),
        clock: systemClock,
        log: {
          info: (message) => logger.log("info", "wasm", message),
          warn: (message) => logger.log("warning", "wasm", message),
        },
        stats,
        clusterGet: (cluster, url, limits) => clusters.get(cluster, url, limits),
        uid: process.getuid?.(),
        random: () => systemRandom.next(),
      });
      return { modules, clusters };
    } catch (error) {
      throw new StartError([error instanceof Error ? error.message : String(error)]);
    }
  }

  private build(loaded: LoadedBootstrap, services: ReturnType<typeof createXdsServices>, delivery: Delivery): Parts {
    const { options, logger, stats, mergedStats } = this;
    const limit = loaded.bootstrap.maxDownstreamConnections || DEFAULT_MAX_CONNECTIONS;
    const serverStats = new ServerStats(stats, options.concurrency, this.lifecycle);
    const workers = new Workers({
      concurrency: options.concurrency,
      data: {
        node: loaded.bootstrap.node,
        shared: createSharedMemory(),
        localIp: findLocalIp(),
        hostname: hostname(),
        maxConnections: Math.max(1, Math.floor(limit / options.concurrency)),
        drainTimeMs: options.drainTimeS * 1000,
        fileFlushIntervalMs: options.fileFlushIntervalMs,
      },
      levels: logger.levels,
      logger,
      mergedStats,
      stats,
      onListenerFailure: (workerId, failures) => {
        for (const { listener, error } of failures) {
          const line = `error adding listener '${listener}' on worker ${workerId}: ${error}`;
          serverStats.listenerCreateFailure.inc();
          if (this.isStarting) this.bindFailures.push(line);
          else logger.log("error", "config", line);
        }
      },
      onReport: () => {},
    });
    const ports = new Ports();
    const dns = new DnsResolver({
      lookup: systemLookup(),
      stats,
      onChange: () => pipeline.repeat(),
      onFailure: (cluster, name, error) =>
        logger.log("warning", "upstream", `cluster ${cluster}: ${name} does not resolve: ${error}; the last answer stays in force`),
    });
    const health = new HealthChecks({
      clock: new Clock(systemTime),
      random: systemRandom,
      stats,
      hasTraffic: (statName) => (mergedStats.value(`cluster.${statName}.upstream_cx_total`) ?? 0) > 0,
      onChange: () => pipeline.repeat(),
    });
    const canary = createCanary(loaded.bootstrap.node, logger);
    const gate = new PluginGate({
      bytesOf: (sha256) => services.modules.bytesOf(sha256),
      load: (bytes) => loadModule(bytes),
      canary,
      isResource: (name) => control.pluginStatuses.some((status) => status.id.endsWith(`/${name}`)),
      onRefused: (what, reason) => {
        serverStats.pluginRefused.inc();
        logger.log("error", "wasm", `${what} refused: ${reason}`);
      },
    });
    const pipeline = new ConfigPipeline({
      dns,
      health,
      gate,
      ports,
      workers,
      logger,
      onDeployed: ({ snapshot, modules }) => {
        services.modules.release(new Set([...modules.keys(), ...control.moduleDigests]));
        delivery.clusters.update(snapshot);
        serverStats.onDeployed(snapshot);
        logger.log(
          "debug",
          "config",
          `snapshot ${snapshot.version} is in force: ${snapshot.listeners.length} listeners, ${snapshot.clusters.length} clusters`,
        );
      },
    });
    const log = {
      info: (message: string) => logger.log("info", "config", message),
      warn: (message: string) => logger.log("warning", "config", message),
    };
    const streams = new XdsStreams({
      ads: loaded.sources.ads,
      clusters: loaded.clusters.map(({ config }) => config),
      node: loaded.bootstrap.node,
      clock: systemClock,
      log,
      stats,
      random: () => systemRandom.next(),
    });
    const control: ConfigControl = new ConfigControl({
      loaded,
      services,
      pluginsDirectory: options.pluginsDirectory,
      clock: systemClock,
      log,
      streams,
      onInitialized: () => this.onInitialized(),
      onSnapshot: (snapshot) => pipeline.push(snapshot),
      watch: {},
    });
    return {
      loaded,
      workers,
      dns,
      health,
      gate,
      pipeline,
      control,
      streams,
      serverStats,
      ports,
      modules: delivery.modules,
      admin: undefined,
    };
  }

  private async startAdmin(parts: Parts, loaded: LoadedBootstrap): Promise<void> {
    const { address, accessLogPath } = loaded.bootstrap.admin;
    if (address === undefined) return;
    parts.admin = new AdminServer({
      address,
      accessLogPath,
      views: createAdminViews(this, parts),
      onError: (message) => this.logger.log("error", "admin", message),
    });
    try {
      await parts.admin.listen();
    } catch (error) {
      throw new StartError([`admin: ${error instanceof Error ? error.message : String(error)}`]);
    }
    this.logger.log("info", "admin", `admin address: ${parts.admin.address}`);
    if (this.options.adminAddressPath !== undefined) writeFileSync(this.options.adminAddressPath, parts.admin.address);
  }

  get adminAddress(): string | undefined {
    return this.parts?.admin?.address;
  }

  /** The listeners in force, with the ports that "0" became. */
  get listeners(): readonly { readonly name: string; readonly port: number }[] {
    return (this.parts?.pipeline.deployed?.snapshot.listeners ?? []).map((listener) => {
      const [address] = listener.addresses;
      return { name: listener.name, port: address.kind === "socket" ? address.port : 0 };
    });
  }

  setLogLevel(component: LogComponent | undefined, level: LogLevel): void {
    if (component === undefined) this.logger.levels.setAll(level);
    else this.logger.levels.set(component, level);
    this.parts?.workers.setLevels();
  }

  /** No new connections; ends when those there are have ended, or at the deadline. */
  private async drain(parts: Parts): Promise<void> {
    parts.workers.drainListeners(false);
    await this.lifecycle.waitForDrain({
      connections: () => parts.workers.connections,
      closeIdle: () => parts.workers.closeIdle(),
      refresh: () => parts.workers.requestReports(),
    });
    await this.stop();
  }

  async stop(): Promise<void> {
    const parts = this.parts;
    this.parts = undefined;
    clearInterval(this.reportTimer);
    this.delivery?.modules.close();
    if (parts !== undefined) {
      parts.control.close();
      parts.streams.close();
      parts.dns.close();
      parts.health.close();
      await parts.workers.stop();
      await parts.admin?.close();
    }
    this.logger.flush();
    this.lifecycle.onStopped();
  }

  /** Begins what SIGTERM begins. */
  shutdown(): void {
    const parts = this.parts;
    if (parts !== undefined) this.lifecycle.shutdown(() => this.drain(parts));
  }

  /** Ends one worker as a crash would: for tests of the supervision. */
  async killWorker(workerId: number): Promise<void> {
    await this.parts?.workers.kill(workerId);
  }

  /** Ids of the workers that have the newest configuration in force, once all have. */
  async workersServing(): Promise<number[]> {
    const parts = this.parts;
    if (parts === undefined) return [];
    const version = parts.pipeline.deployed?.snapshot.version ?? 0;
    const deadline = performance.now() + 5000;
    for (;;) {
      const serving = parts.workers.reports.filter((report) => report.appliedVersion >= version).map((report) => report.workerId);
      if (serving.length === parts.workers.concurrency || performance.now() > deadline) return serving;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  untilExit(): Promise<number> {
    return this.lifecycle.exited;
  }
}

interface Delivery {
  readonly modules: RemoteModules;
  readonly clusters: ModuleClusters;
}

export interface Parts {
  readonly loaded: LoadedBootstrap;
  readonly workers: Workers;
  readonly dns: DnsResolver;
  readonly health: HealthChecks;
  readonly gate: PluginGate;
  readonly pipeline: ConfigPipeline;
  readonly control: ConfigControl;
  readonly streams: XdsStreams;
  readonly serverStats: ServerStats;
  readonly ports: Ports;
  readonly modules: RemoteModules;
  admin: AdminServer | undefined;
}
