// The WebAssembly engine behind one small interface, so that the rest of the runtime names no engine. V8's own
// WebAssembly is the one implementation: in process, without a copy or a native call between host and guest.
import { createContext, Script } from "node:vm";

export type CompiledModule = WebAssembly.Module;
export type GuestFunction = (...args: number[]) => number;
export type ImportFunction = (...args: never[]) => number;
export type EngineImports = Record<string, Record<string, ImportFunction | EngineMemory>>;
export type EngineMemory = WebAssembly.Memory;

export interface EngineInstance {
  /** The exported function, or undefined. */
  exportedFunction(name: string): GuestFunction | undefined;
  /** The first exported memory. */
  exportedMemory(): EngineMemory | undefined;
}

export interface Engine {
  readonly name: string;
  /** Rejects with the engine's message when the bytes are not valid. */
  compile(bytes: Uint8Array): Promise<CompiledModule>;
  /** Runs the module's start section, if it has one; throws what that throws. */
  instantiate(module: CompiledModule, imports: EngineImports): EngineInstance;
  createMemory(initialPages: number, maximumPages: number): EngineMemory;
  /** Runs `run` and throws after `timeoutMs`, wherever it is then. Costs some 150 µs: for start and configure only. */
  runWithTimeout(run: () => void, timeoutMs: number): void;
}

class V8Instance implements EngineInstance {
  private readonly exports: Record<string, unknown>;

  constructor(exports: Record<string, unknown>) {
    this.exports = exports;
  }

  exportedFunction(name: string): GuestFunction | undefined {
    const value = this.exports[name];
    return typeof value === "function" ? (value as GuestFunction) : undefined;
  }

  exportedMemory(): EngineMemory | undefined {
    const memory = this.exports.memory;
    if (memory instanceof WebAssembly.Memory) return memory;
    for (const value of Object.values(this.exports)) if (value instanceof WebAssembly.Memory) return value;
    return undefined;
  }
}

class V8Engine implements Engine {
  readonly name = "v8";
  // One context for all timed runs of a thread: making one costs a millisecond.
  private readonly sandbox: { run: (() => void) | undefined } = { run: undefined };
  private readonly script = new Script("run()");
  private contextified = false;

  compile(bytes: Uint8Array): Promise<CompiledModule> {
    return WebAssembly.compile(bytes);
  }

  instantiate(module: CompiledModule, imports: EngineImports): EngineInstance {
    return new V8Instance(new WebAssembly.Instance(module, imports as WebAssembly.Imports).exports);
  }

  createMemory(initialPages: number, maximumPages: number): EngineMemory {
    return new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages });
  }

  runWithTimeout(run: () => void, timeoutMs: number): void {
    if (!this.contextified) {
      createContext(this.sandbox);
      this.contextified = true;
    }
    const outer = this.sandbox.run;
    this.sandbox.run = run;
    try {
      this.script.runInContext(this.sandbox, { timeout: timeoutMs });
    } finally {
      this.sandbox.run = outer;
    }
  }
}

export const v8Engine: Engine = new V8Engine();
