// From a snapshot of the configuration to workers that serve it: ports, DNS, plugins tried, posted. One snapshot at a time; of those
// that arrive meanwhile only the newest is taken on.
import type { Logger } from "../base/log.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { DnsResolver } from "./dns-resolver.ts";
import type { HealthChecks } from "./health-checks.ts";
import type { PluginGate } from "./plugin-gate.ts";
import type { Ports } from "./ports.ts";
import type { Deployment, Workers } from "./workers.ts";

export interface PipelineOptions {
  readonly dns: DnsResolver;
  readonly health: HealthChecks;
  readonly gate: PluginGate;
  readonly ports: Ports;
  readonly workers: Workers;
  readonly logger: Logger;
  /** A snapshot is in force on every live worker. */
  onDeployed(deployment: Deployment): void;
}

export class ConfigPipeline {
  private readonly options: PipelineOptions;
  private waiting: Snapshot | undefined = undefined;
  private latest: Snapshot | undefined = undefined;
  private running: Promise<void> | undefined = undefined;
  private version = 0;
  deployed: Deployment | undefined = undefined;

  constructor(options: PipelineOptions) {
    this.options = options;
  }

  /** Takes a snapshot on; errors of a later stage are logged, the deployment before stays. */
  push(snapshot: Snapshot): void {
    this.latest = snapshot;
    this.waiting = snapshot;
    this.running ??= this.run();
  }

  /** The endpoints of a DNS cluster changed, or the health of some. */
  repeat(): void {
    if (this.latest !== undefined) this.push(this.latest);
  }

  /** Resolves when everything pushed so far is in force. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    while (this.waiting !== undefined) {
      const snapshot = this.waiting;
      this.waiting = undefined;
      try {
        await this.deploy(snapshot);
      } catch (error) {
        this.options.logger.log(
          "critical",
          "config",
          `configuration not applied: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
    }
    this.running = undefined;
  }

  private async deploy(snapshot: Snapshot): Promise<void> {
    const { dns, health, gate, ports, workers } = this.options;
    const withPorts = await ports.resolve(health.decorate(dns.decorate(snapshot)));
    const admitted = await gate.admit(withPorts);
    // DNS and refused plugins make snapshots of their own: versions are counted here.
    const deployment: Deployment = { ...admitted, snapshot: { ...admitted.snapshot, version: ++this.version } };
    await workers.deploy(deployment);
    this.deployed = deployment;
    this.options.onDeployed(deployment);
  }
}
