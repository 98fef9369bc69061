// Makes the imports of one VM from the host-call table: a direct function for each import, with its arguments spelled out,
// so that a host call costs no lookup, no array and no allocation. This is the import boundary: an exception in a handler is
// a defect of the host and becomes InternalFailure; a guest's own trap inside the allocator passes through.
import type { EngineImports, ImportFunction } from "./engine.ts";
import type { HostCall } from "./host-calls/host-call.ts";
import { findHostCall } from "./host-calls/index.ts";
import type { LoadedModule } from "./module.ts";
import type { Vm } from "./vm.ts";

type Argument = number | bigint;
type Handler = (vm: Vm, ...args: Argument[]) => number;

export function bindImports(vm: Vm, module: LoadedModule): EngineImports {
  const imports: EngineImports = {};
  for (const { module: from, name } of module.functionImports) {
    const call = findHostCall(from, name);
    if (call === undefined) continue;
    imports[from] ??= {};
    imports[from][name] = vm.allows(name) ? bind(vm, name, call) : denied(call);
  }
  return imports;
}

function denied(call: HostCall): ImportFunction {
  const { denied: answer } = call;
  return () => answer;
}

function bind(vm: Vm, name: string, call: HostCall): ImportFunction {
  // The table's rows have their own argument lists; linking has checked them against the module's import types.
  const run = call.handler as unknown as Handler;
  const { allowedIn } = call;
  type A = Argument;
  switch (call.params.length) {
    case 1:
      return (a: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    case 2:
      return (a: A, b: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a, b);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    case 3:
      return (a: A, b: A, c: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a, b, c);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    case 4:
      return (a: A, b: A, c: A, d: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a, b, c, d);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    case 5:
      return (a: A, b: A, c: A, d: A, e: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a, b, c, d, e);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    case 8:
      return (a: A, b: A, c: A, d: A, e: A, f: A, g: A, h: A) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, a, b, c, d, e, f, g, h);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
    default:
      return (...args: A[]) => {
        if ((vm.phase & ~allowedIn) !== 0) vm.refuseInPhase(name);
        try {
          return run(vm, ...args);
        } catch (error) {
          return vm.onHandlerError(name, error);
        }
      };
  }
}
