// From a loaded module to a running instance: imports, memory, allocator, start functions.
import { bindImports } from "./bind.ts";
import type { Engine, EngineInstance, EngineMemory } from "./engine.ts";
import type { LoadedModule } from "./module.ts";
import { StartExport } from "./module-rewrite.ts";
import type { Vm } from "./vm.ts";

/** `attach` is called before any code of the module runs (the loader has moved start sections into an export). */
export function instantiate(
  vm: Vm,
  module: LoadedModule,
  engine: Engine,
  attach: (instance: EngineInstance, memory: EngineMemory) => void,
): void {
  const imports = bindImports(vm, module);
  const imported = module.importedMemory;
  let memory: EngineMemory | undefined;
  if (imported !== undefined) {
    memory = engine.createMemory(imported.initialPages, imported.maximumPages);
    imports[imported.module] ??= {};
    imports[imported.module][imported.name] = memory;
  }
  const instance = engine.instantiate(module.compiled, imports);
  memory ??= instance.exportedMemory();
  if (memory === undefined) throw new Error("the module has no memory");
  attach(instance, memory);
  runStartFunctions(instance);
}

/** proxy-wasm: _initialize and then main, or else _start; before them what was the start section. */
function runStartFunctions(instance: EngineInstance): void {
  instance.exportedFunction(StartExport)?.();
  const initialize = instance.exportedFunction("_initialize");
  if (initialize === undefined) {
    instance.exportedFunction("_start")?.();
    return;
  }
  initialize();
  const main = instance.exportedFunction("main");
  if (main !== undefined) main(0, 0);
  else instance.exportedFunction("__main_void")?.();
}
