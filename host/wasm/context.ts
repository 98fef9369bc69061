// Contexts: what the guest knows by number. A root context stands for one plugin in a VM, a stream context for one stream on
// that plugin; ids count per VM from 1 and are never used again. Context 0 is the VM itself while its start code runs.

import type { RootContext } from "./root-context.ts";
import type { StreamServices } from "./services.ts";

/** Fields that both kinds have, so that host calls see one shape. */
export interface Context {
  readonly id: number;
  readonly root: RootContext;
  /** Undefined for a root context. */
  readonly services: StreamServices | undefined;
  isDeleted: boolean;
  /** Callouts of both kinds, HTTP and gRPC. */
  httpCallsInFlight: number;
  httpCallsStarted: number;
}
