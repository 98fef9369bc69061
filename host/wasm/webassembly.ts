// The part of the WebAssembly JavaScript API that the engine uses. Node's own type declarations leave it out, and the
// browser libraries that have it would let browser globals into the host.
export {};

declare global {
  namespace WebAssembly {
    type ImportValue = ((...args: never[]) => unknown) | Memory;
    type Imports = Record<string, Record<string, ImportValue>>;
    type ExportValue = ((...args: (number | bigint)[]) => number | bigint | undefined) | Memory;

    interface Module {
      // Modules are opaque; the brand keeps other objects from being passed for one.
      readonly [Symbol.toStringTag]: string;
    }
    interface ModuleConstructor {
      new (bytes: Uint8Array): Module;
    }
    const Module: ModuleConstructor;

    interface Memory {
      readonly buffer: ArrayBuffer;
      grow(pages: number): number;
    }
    interface MemoryConstructor {
      new (descriptor: { initial: number; maximum?: number }): Memory;
    }
    const Memory: MemoryConstructor;

    interface Instance {
      readonly exports: Record<string, unknown>;
    }
    interface InstanceConstructor {
      new (module: Module, imports: Imports): Instance;
    }
    const Instance: InstanceConstructor;

    interface RuntimeError extends Error {
      readonly name: string;
    }
    interface ErrorConstructor {
      new (message?: string): RuntimeError;
    }
    const RuntimeError: ErrorConstructor;

    function compile(bytes: Uint8Array): Promise<Module>;
    function validate(bytes: Uint8Array): boolean;
  }
}
