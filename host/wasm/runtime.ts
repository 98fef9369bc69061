// The wasm runtime of one worker: its VMs by key and its plugins. Also the canary, which the main thread runs before it
// accepts a configuration: a VM that is started, configured and thrown away without a word to the guest.
import { createHash } from "node:crypto";
import type { PluginConfig } from "../config/plugin.ts";
import { type Engine, v8Engine } from "./engine.ts";
import { DefaultLimits, type WasmLimits } from "./limits.ts";
import type { LoadedModule } from "./module.ts";
import { Plugin, type RootSource } from "./plugin.ts";
import type { RootContext } from "./root-context.ts";
import type { VmServices } from "./services.ts";
import { Vm, type VmOwner } from "./vm.ts";

export interface RuntimeOptions {
  readonly limits?: WasmLimits;
  readonly engine?: Engine;
}

export class WasmRuntime implements VmOwner, RootSource {
  private readonly services: VmServices;
  private readonly limits: WasmLimits;
  private readonly engine: Engine;
  private readonly vms = new Map<string, Vm>();
  private readonly plugins = new Set<Plugin>();
  private readonly queueOwners = new Map<number, RootContext>();

  constructor(services: VmServices, options: RuntimeOptions = {}) {
    this.services = services;
    this.limits = options.limits ?? DefaultLimits;
    this.engine = options.engine ?? v8Engine;
  }

  /** Never fails: a plugin that cannot start lives on without a VM, under its failure policy. `failure` says why. */
  openPlugin(config: PluginConfig, module: LoadedModule): Plugin {
    const plugin = new Plugin(config, module, this, this.services, this.limits.maxReloadIntervalMs);
    this.plugins.add(plugin);
    plugin.start();
    return plugin;
  }

  closePlugin(plugin: Plugin): void {
    this.plugins.delete(plugin);
    plugin.close();
  }

  startRoot(config: PluginConfig, module: LoadedModule): RootContext | string {
    const key = vmKey(config);
    let vm = this.vms.get(key);
    if (vm === undefined) {
      vm = new Vm(key, module, config, this.services, this.engine, this.limits, this);
      const failure = vm.start();
      if (failure !== undefined) return failure;
      this.vms.set(key, vm);
    }
    const root = vm.createRoot(config);
    const failure = root.start();
    if (failure === undefined) return root;
    // A refused configuration ends this root only; other plugins of the VM go on.
    root.dispose();
    return failure;
  }

  /** To be called when another worker's notifyQueue, or this one's, arrives; never from within a host call. */
  onQueueReady(queueId: number): void {
    this.queueOwners.get(queueId)?.onQueueReady(queueId);
  }

  registerQueue(root: RootContext, name: string): number | undefined {
    const id = this.services.sharedQueues.register(root.vm.vmId, name, this.services.workerId);
    if (id !== undefined) this.queueOwners.set(id, root);
    return id;
  }

  onVmFailed(vm: Vm): void {
    this.forgetVm(vm);
    for (const plugin of this.plugins) plugin.onVmFailed(vm);
  }

  onVmClosed(vm: Vm): void {
    this.forgetVm(vm);
  }

  private forgetVm(vm: Vm): void {
    if (this.vms.get(vm.key) === vm) this.vms.delete(vm.key);
    for (const [id, root] of this.queueOwners) if (root.vm === vm) this.queueOwners.delete(id);
  }

  close(): void {
    for (const plugin of [...this.plugins]) this.closePlugin(plugin);
  }
}

/** What must be equal for two plugins to share a VM. */
function vmKey(config: PluginConfig): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([config.vmId, config.sha256, config.environment, config.allowedCapabilities ?? null]));
  if (config.vmConfiguration !== undefined) hash.update(config.vmConfiguration);
  return hash.digest("hex");
}

/**
 * Why the module refuses this configuration, or undefined. Run on the main thread before a configuration goes to the workers.
 * Timers and callouts that the guest asks for are taken and never happen.
 */
export function canaryPlugin(
  config: PluginConfig,
  module: LoadedModule,
  services: VmServices,
  options: RuntimeOptions = {},
): string | undefined {
  const owner: VmOwner = {
    onVmFailed: () => {},
    onVmClosed: () => {},
    // The queue is there afterwards, but the canary must not take its notifications.
    registerQueue: (root, name) => services.sharedQueues.register(root.vm.vmId, name, undefined),
  };
  const vm = new Vm(
    vmKey(config),
    module,
    config,
    canaryServices(services),
    options.engine ?? v8Engine,
    options.limits ?? DefaultLimits,
    owner,
  );
  const failure = vm.start() ?? vm.createRoot(config).start();
  vm.discard();
  return failure;
}

function canaryServices(services: VmServices): VmServices {
  return {
    workerId: services.workerId,
    stats: services.stats,
    metrics: services.metrics,
    sharedData: services.sharedData,
    sharedQueues: services.sharedQueues,
    logLevel: () => services.logLevel(),
    log: (level, plugin, message) => services.log(level, plugin, message),
    wallClockNs: () => services.wallClockNs(),
    monotonicNs: () => services.monotonicNs(),
    monotonicMs: () => services.monotonicMs(),
    random: () => services.random(),
    fillRandom: (bytes) => services.fillRandom(bytes),
    startTimer: () => ({ cancel: () => {} }),
    // The main thread has no clusters of its own; a plugin that calls out from its configuration must not be refused for that.
    hasCluster: () => true,
    httpCall: () => ({ cancel: () => {} }),
    grpcStream: () => ({ send: () => true, closeStream: () => {}, cancel: () => {} }),
    notifyQueue: () => {},
    property: (plugin, path) => services.property(plugin, path),
  };
}
