// A plugin on one worker: configuration, module and failure policy, over a VM that other plugins may share. A plugin that fails
// to start, or whose VM dies, stays without a root context; FAIL_RELOAD gets a fresh VM with the first stream after the
// back-off. Envoy's source/extensions/common/wasm/plugin.cc with a growing back-off: a VM that dies again soon waits longer.
import type { PluginConfig } from "../config/plugin.ts";
import type { LoadedModule } from "./module.ts";
import type { RootContext } from "./root-context.ts";
import type { VmServices } from "./services.ts";
import type { Vm } from "./vm.ts";

export interface RootSource {
  /** A started root context in a VM of the plugin's key; a text says why there is none. */
  startRoot(config: PluginConfig, module: LoadedModule): RootContext | string;
}

export class Plugin {
  readonly config: PluginConfig;
  private readonly module: LoadedModule;
  private readonly source: RootSource;
  private readonly services: VmServices;
  private readonly maxReloadIntervalMs: number;
  private root: RootContext | undefined = undefined;
  private isClosed = false;
  /** Why there is no root context, or "". */
  failure = "";
  private startedAtMs = 0;
  private reloadIntervalMs: number;
  private reloadAtMs = 0;

  constructor(config: PluginConfig, module: LoadedModule, source: RootSource, services: VmServices, maxReloadIntervalMs: number) {
    this.config = config;
    this.module = module;
    this.source = source;
    this.services = services;
    this.maxReloadIntervalMs = maxReloadIntervalMs;
    this.reloadIntervalMs = config.reloadBaseIntervalMs;
  }

  /** Gives the plugin its first VM; what the policy says holds when that fails. */
  start(): void {
    this.startRoot();
  }

  private startRoot(): boolean {
    const started = this.source.startRoot(this.config, this.module);
    if (typeof started === "string") {
      this.fail(started);
      return false;
    }
    this.root = started;
    this.failure = "";
    this.startedAtMs = this.services.monotonicMs();
    return true;
  }

  private fail(reason: string): void {
    const now = this.services.monotonicMs();
    // A VM that served for longer than it had to wait starts over at the base interval.
    if (now - this.startedAtMs > this.reloadIntervalMs * 2) this.reloadIntervalMs = this.config.reloadBaseIntervalMs;
    this.failure = reason;
    this.root = undefined;
    this.reloadAtMs = now + this.reloadIntervalMs * (1 + this.services.random() / 2);
    this.reloadIntervalMs = Math.min(this.reloadIntervalMs * 2, this.maxReloadIntervalMs);
  }

  onVmFailed(vm: Vm): void {
    if (this.root?.vm === vm) this.fail(vm.failure);
  }

  /** The root context for a new stream; under FAIL_RELOAD this is where a dead VM is replaced. */
  acquire(): RootContext | undefined {
    if (this.root !== undefined || this.isClosed || this.config.failurePolicy !== "FAIL_RELOAD") return this.root;
    if (this.services.monotonicMs() < this.reloadAtMs) {
      this.count("vm_reload_backoff");
      return undefined;
    }
    this.count(this.startRoot() ? "vm_reload_success" : "vm_reload_failure");
    return this.root;
  }

  get failsOpen(): boolean {
    return this.config.failurePolicy === "FAIL_OPEN";
  }

  private count(name: string): void {
    this.services.stats.counter(`wasm.${this.config.name}.${name}`).add(1);
  }

  /** No new streams; the guest is told once those it has are over. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { root } = this;
    this.root = undefined;
    root?.close();
  }
}
