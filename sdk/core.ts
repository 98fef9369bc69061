// The exports every filter needs: `export * from "sluice/sdk/core"`. The callbacks of traffic are in `exports.ts`; a
// filter exports those it overrides, because a host calls whatever is exported.

import "./abort";
import { enterCallback, leaveCallback } from "./heap";
import { refreshLogLevel } from "./log";
import { allocateForHost } from "./memory";
import { createContext, deleteContext, rootContext } from "./registry";

/** Tells the host which ABI the module speaks; never called. */
export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: u32): usize {
  return allocateForHost(size);
}

export function proxy_on_context_create(id: u32, parentId: u32): void {
  enterCallback();
  createContext(id, parentId);
  leaveCallback();
}

export function proxy_on_vm_start(id: u32, configurationSize: u32): u32 {
  enterCallback();
  refreshLogLevel();
  const root = rootContext(id);
  // Without a class for the root id the plugin would do nothing, silently; refusing it shows the mistake at start.
  const accepted = root != null && root.onVmStart(configurationSize);
  leaveCallback();
  return accepted ? 1 : 0;
}

export function proxy_on_configure(id: u32, configurationSize: u32): u32 {
  enterCallback();
  refreshLogLevel();
  const root = rootContext(id);
  const accepted = root != null && root.onConfigure(configurationSize);
  leaveCallback();
  return accepted ? 1 : 0;
}

export function proxy_on_delete(id: u32): void {
  enterCallback();
  deleteContext(id);
  leaveCallback();
}
