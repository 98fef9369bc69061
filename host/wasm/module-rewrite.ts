// Changes to a module before it is compiled. A rewriter takes the bytes with their scan and returns new bytes; the list is
// the place where instrumentation joins. Two are built in: the memory's maximum, and the start section as an export, so
// that start code runs when the host can reach the memory (a plain AssemblyScript build logs from its start section).
import type { WasmLimits } from "./limits.ts";
import type { MemoryType, ModuleScan, Section } from "./module-scan.ts";

export type ModuleRewriter = (bytes: Uint8Array, scan: ModuleScan, limits: WasmLimits) => Uint8Array;

/** The export that stands for a former start section. */
export const StartExport = "sluice_start";

const MEMORY_SECTION = 5;
const EXPORT_SECTION = 7;
const START_SECTION = 8;

/** Pages that a VM of this module may have: the limit, or twice what a larger module starts with up to the hard limit. */
export function memoryMaximumPages(memory: MemoryType, limits: WasmLimits): number {
  const allowed = Math.min(Math.max(limits.maxMemoryPages, memory.initialPages * 2), limits.hardMaxMemoryPages);
  return memory.maximumPages === undefined ? allowed : Math.min(memory.maximumPages, allowed);
}

export function limitMemory(bytes: Uint8Array, scan: ModuleScan, limits: WasmLimits): Uint8Array {
  const section = scan.sections.find((candidate) => candidate.id === MEMORY_SECTION);
  const memory = scan.memories[0];
  if (section === undefined || memory === undefined || scan.importedMemory !== undefined) return bytes;
  const body = [1, 1, ...leb(memory.initialPages), ...leb(memoryMaximumPages(memory, limits))];
  return replaceSections(bytes, scan, (candidate) =>
    candidate === section ? Uint8Array.from([MEMORY_SECTION, ...leb(body.length), ...body]) : undefined,
  );
}

export function exportStartFunction(bytes: Uint8Array, scan: ModuleScan): Uint8Array {
  if (scan.startFunction === undefined) return bytes;
  const entry = [StartExport.length, ...Buffer.from(StartExport, "latin1"), 0, ...leb(scan.startFunction)];
  return replaceSections(bytes, scan, (section) => {
    if (section.id === START_SECTION) return new Uint8Array(0);
    if (section.id !== EXPORT_SECTION) return undefined;
    const count = leb(scan.exports.length + 1);
    const rest = bytes.subarray(afterLeb(bytes, section.bodyStart), section.end);
    return Buffer.concat([
      Uint8Array.from([EXPORT_SECTION, ...leb(count.length + rest.length + entry.length), ...count]),
      rest,
      Uint8Array.from(entry),
    ]);
  });
}

function replaceSections(bytes: Uint8Array, scan: ModuleScan, replace: (section: Section) => Uint8Array | undefined): Uint8Array {
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  for (const section of scan.sections) {
    parts.push(replace(section) ?? bytes.subarray(section.start, section.end));
  }
  return Buffer.concat(parts);
}

/** Linkers pad numbers that they patch later, so the length cannot be told from the value. */
function afterLeb(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end] >= 0x80) end++;
  return end + 1;
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let left = value >>> 0;
  do {
    const low = left & 0x7f;
    left >>>= 7;
    bytes.push(left === 0 ? low : low | 0x80);
  } while (left !== 0);
  return bytes;
}
