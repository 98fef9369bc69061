// From bytes to a module that may be instantiated: size and feature checks, every import known with the right signature, an
// ABI version, an allocator; then the rewriters and the engine's compiler. What comes out survives structured clone, so the
// main thread loads a module once and posts it to the workers.
import { createHash } from "node:crypto";
import { AbiMarkers, type AbiVersion } from "./abi.ts";
import { type CompiledModule, type Engine, v8Engine } from "./engine.ts";
import { checkCallbackSignature } from "./guest-calls.ts";
import { acceptsSignature, signatureOf } from "./host-calls/host-call.ts";
import { findHostCall } from "./host-calls/index.ts";
import { DefaultLimits, type WasmLimits } from "./limits.ts";
import { exportStartFunction, limitMemory, type ModuleRewriter, memoryMaximumPages } from "./module-rewrite.ts";
import { type ModuleScan, type ScannedExport, scanModule } from "./module-scan.ts";

export interface LoadedModule {
  readonly compiled: CompiledModule;
  /** Lower-case hex digest of the bytes as they came. */
  readonly sha256: string;
  readonly abiVersion: AbiVersion;
  /** Name of the export that hands out guest memory. */
  readonly allocator: string;
  readonly functionImports: readonly { readonly module: string; readonly name: string }[];
  /** A module may import its memory; then the host makes it. */
  readonly importedMemory:
    | {
        readonly module: string;
        readonly name: string;
        readonly initialPages: number;
        readonly maximumPages: number;
      }
    | undefined;
}

export type LoadResult = { readonly ok: true; readonly module: LoadedModule } | { readonly ok: false; readonly errors: readonly string[] };

export interface LoadOptions {
  readonly limits?: WasmLimits;
  readonly engine?: Engine;
  /** Run in order after the built-in ones, for instance a meter. */
  readonly rewriters?: readonly ModuleRewriter[];
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const BUILT_IN: readonly ModuleRewriter[] = [exportStartFunction, limitMemory];

/** All that is wrong with the module is reported at once. Takes any bytes. */
export async function loadModule(bytes: Uint8Array, options: LoadOptions = {}): Promise<LoadResult> {
  const limits = options.limits ?? DefaultLimits;
  if (bytes.length > limits.maxModuleBytes) {
    return refuse(`module has ${bytes.length} bytes, the limit is ${limits.maxModuleBytes}`);
  }
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) return refuse("not a WebAssembly 1.0 module");
  const scan = scanModule(bytes);
  if (scan === undefined) return refuse("malformed module");
  const abiVersion = findAbiVersion(scan);
  const allocator = findAllocator(scan.exports);
  const errors = [...checkLimits(scan, limits), ...checkImports(scan)];
  if (abiVersion === undefined) errors.push("missing or unknown ABI version");
  if (allocator === undefined) errors.push("neither proxy_on_memory_allocate nor malloc is exported");
  if (abiVersion !== undefined) errors.push(...checkExports(scan, abiVersion));
  if (errors.length > 0 || abiVersion === undefined || allocator === undefined) return { ok: false, errors };
  try {
    const rewritten = rewrite(bytes, scan, limits, [...BUILT_IN, ...(options.rewriters ?? [])]);
    const compiled = await (options.engine ?? v8Engine).compile(rewritten);
    return { ok: true, module: describe(bytes, scan, limits, compiled, abiVersion, allocator) };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(error: string): LoadResult {
  return { ok: false, errors: [error] };
}

function rewrite(bytes: Uint8Array, scan: ModuleScan, limits: WasmLimits, rewriters: readonly ModuleRewriter[]): Uint8Array {
  let current = bytes;
  let currentScan = scan;
  for (const rewriter of rewriters) {
    const next = rewriter(current, currentScan, limits);
    if (next === current) continue;
    const nextScan = scanModule(next);
    if (nextScan === undefined) throw new Error("a rewriter made a malformed module");
    current = next;
    currentScan = nextScan;
  }
  return current;
}

function describe(
  bytes: Uint8Array,
  scan: ModuleScan,
  limits: WasmLimits,
  compiled: CompiledModule,
  abiVersion: AbiVersion,
  allocator: string,
): LoadedModule {
  const memoryImport = scan.imports.find((candidate) => candidate.kind === "memory");
  const { importedMemory } = scan;
  return {
    compiled,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    abiVersion,
    allocator,
    functionImports: scan.imports.filter((candidate) => candidate.kind === "function").map(({ module, name }) => ({ module, name })),
    importedMemory:
      memoryImport === undefined || importedMemory === undefined
        ? undefined
        : {
            module: memoryImport.module,
            name: memoryImport.name,
            initialPages: importedMemory.initialPages,
            maximumPages: memoryMaximumPages(importedMemory, limits),
          },
  };
}

function checkLimits(scan: ModuleScan, limits: WasmLimits): string[] {
  const errors = scan.forbidden.map((feature) => `uses ${feature}, which is not allowed`);
  const check = (what: string, value: number, limit: number): void => {
    if (value > limit) errors.push(`${what}: ${value}, the limit is ${limit}`);
  };
  check("functions", scan.functionCount, limits.maxFunctions);
  check("bytes of one function", scan.largestFunctionBytes, limits.maxFunctionBodyBytes);
  check("locals of one function", scan.mostLocals, limits.maxLocals);
  check("table entries", scan.maxTableEntries, limits.maxTableEntries);
  check("initial memory pages", scan.memories[0]?.initialPages ?? 0, limits.hardMaxMemoryPages);
  return errors;
}

function checkImports(scan: ModuleScan): string[] {
  const errors: string[] = [];
  for (const { module, name, kind, signature } of scan.imports) {
    if (kind === "memory") continue;
    const call = kind === "function" ? findHostCall(module, name) : undefined;
    if (call === undefined) errors.push(`missing import: ${module}.${name} (${kind})`);
    else if (!acceptsSignature(call, signature)) {
      errors.push(`import ${module}.${name} has signature "${signature}", expected "${signatureOf(call)}"`);
    }
  }
  return errors;
}

function checkExports(scan: ModuleScan, version: AbiVersion): string[] {
  const errors: string[] = [];
  for (const { name, kind, signature } of scan.exports) {
    const error = kind === "function" ? checkCallbackSignature(name, signature, version) : undefined;
    if (error !== undefined) errors.push(error);
  }
  return errors;
}

/** The first marker in export order, as cpp-host; modules from before the markers are of the first version. */
function findAbiVersion(scan: ModuleScan): AbiVersion | undefined {
  for (const { name } of scan.exports) {
    if (Object.hasOwn(AbiMarkers, name)) return AbiMarkers[name];
  }
  return scan.exports.some(({ name }) => name === "proxy_on_context_create") ? "0.1.0" : undefined;
}

/** The ABI's own name first: TinyGo exports both, and only that one hands out memory which its collector knows of. */
function findAllocator(exports: readonly ScannedExport[]): string | undefined {
  return ["proxy_on_memory_allocate", "malloc"].find((wanted) =>
    exports.some(({ name, kind, signature }) => name === wanted && kind === "function" && signature === "i32 -> i32"),
  );
}
