// Reads the sections of a module: what it imports and exports with which signatures, its memories and tables, and which
// features it uses. Takes any bytes and never throws; the engine's own validation follows for what is not looked at here.
// https://webassembly.github.io/spec/core/binary/modules.html

export type ImportKind = "function" | "table" | "memory" | "global" | "tag";

export interface MemoryType {
  readonly initialPages: number;
  readonly maximumPages: number | undefined;
  readonly shared: boolean;
  readonly is64: boolean;
}

export interface ScannedImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ImportKind;
  /** "i32 i64 -> i32" for functions, "" otherwise. */
  readonly signature: string;
}

export interface ScannedExport {
  readonly name: string;
  readonly kind: ImportKind;
  readonly signature: string;
}

export interface Section {
  readonly id: number;
  /** Offset of the id byte. */
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
}

export interface ModuleScan {
  readonly sections: Section[];
  readonly imports: ScannedImport[];
  readonly exports: ScannedExport[];
  readonly memories: MemoryType[];
  readonly importedMemory: MemoryType | undefined;
  readonly maxTableEntries: number;
  readonly functionCount: number;
  readonly largestFunctionBytes: number;
  readonly mostLocals: number;
  readonly startFunction: number | undefined;
  /** Names of the features found that this host refuses. */
  readonly forbidden: string[];
}

const SectionId = {
  Type: 1,
  Import: 2,
  Function: 3,
  Table: 4,
  Memory: 5,
  Export: 7,
  Start: 8,
  Code: 10,
  Tag: 13,
} as const;
const KINDS: readonly ImportKind[] = ["function", "table", "memory", "global", "tag"];
/** 0x7f and down; the two reference types are 0x70 and 0x6f. */
const VALUE_TYPES: Readonly<Record<number, string>> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
  112: "funcref",
  111: "externref",
};

/** A cursor over the bytes; reading past the end or an overlong number sets `failed` and yields 0. */
class Reader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
  failed = false;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = bytes.length;
  }

  byte(): number {
    if (this.at >= this.end) {
      this.failed = true;
      return 0;
    }
    return this.bytes[this.at++];
  }

  /** LEB128, up to 64 bits (memory64 limits); exact up to 2^53. */
  leb(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }

  skip(count: number): void {
    if (count > this.end - this.at) this.failed = true;
    else this.at += count;
  }

  name(): string {
    const len = this.leb();
    const start = this.at;
    this.skip(len);
    return this.failed ? "" : Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, len).toString("utf8");
  }

  get left(): boolean {
    return !this.failed && this.at < this.end;
  }
}

interface ScanState {
  readonly sections: Section[];
  readonly imports: ScannedImport[];
  readonly exports: ScannedExport[];
  readonly memories: MemoryType[];
  importedMemory: MemoryType | undefined;
  maxTableEntries: number;
  functionCount: number;
  largestFunctionBytes: number;
  mostLocals: number;
  startFunction: number | undefined;
  readonly forbidden: string[];
  readonly types: string[];
  /** Type index of every function, imported ones first. */
  readonly functions: number[];
}

/** Undefined when the bytes are not a well-formed sequence of sections. */
export function scanModule(bytes: Uint8Array): ModuleScan | undefined {
  const scan: ScanState = {
    sections: [],
    imports: [],
    exports: [],
    memories: [],
    importedMemory: undefined,
    maxTableEntries: 0,
    functionCount: 0,
    largestFunctionBytes: 0,
    mostLocals: 0,
    startFunction: undefined,
    forbidden: [],
    types: [],
    functions: [],
  };
  const reader = new Reader(bytes, 8);
  while (reader.left) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.leb();
    const bodyStart = reader.at;
    reader.skip(size);
    if (reader.failed) return undefined;
    scan.sections.push({ id, start, bodyStart, end: reader.at });
    const body = new Reader(bytes, bodyStart);
    body.end = bodyStart + size;
    readSection(scan, id, body);
    if (body.failed) return undefined;
  }
  return reader.failed ? undefined : scan;
}

function readSection(scan: ScanState, id: number, body: Reader): void {
  switch (id) {
    case SectionId.Type:
      readTypes(scan, body);
      break;
    case SectionId.Import:
      readImports(scan, body);
      break;
    case SectionId.Function:
      scan.functionCount = body.leb();
      for (let i = 0; i < scan.functionCount && !body.failed; i++) scan.functions.push(body.leb());
      break;
    case SectionId.Table:
      for (let count = body.leb(); count > 0 && !body.failed; count--) readTable(scan, body);
      break;
    case SectionId.Memory:
      for (let count = body.leb(); count > 0 && !body.failed; count--) addMemory(scan, body);
      if (scan.memories.length > 1) forbid(scan, "multiple memories");
      break;
    case SectionId.Export:
      readExports(scan, body);
      break;
    case SectionId.Start:
      scan.startFunction = body.leb();
      break;
    case SectionId.Code:
      readCode(scan, body);
      break;
    case SectionId.Tag:
      forbid(scan, "exceptions");
      break;
  }
}

function forbid(scan: ScanState, feature: string): void {
  if (!scan.forbidden.includes(feature)) scan.forbidden.push(feature);
}

function readTypes(scan: ScanState, body: Reader): void {
  const count = body.leb();
  for (let i = 0; i < count && !body.failed; i++) {
    if (body.byte() !== 0x60) {
      // Struct, array, recursion group or subtype: the engine reads the rest, this host refuses the module.
      forbid(scan, "garbage-collected types");
      return;
    }
    const params = readValueTypes(scan, body);
    const results = readValueTypes(scan, body);
    scan.types.push(`${params} -> ${results}`.trim());
  }
}

function readValueTypes(scan: ScanState, body: Reader): string {
  const names: string[] = [];
  const count = body.leb();
  for (let i = 0; i < count && !body.failed; i++) {
    const type = body.byte();
    const name = VALUE_TYPES[type];
    if (name === undefined) {
      forbid(scan, "typed references");
      if (type === 0x63 || type === 0x64) body.leb();
    }
    names.push(name ?? `0x${type.toString(16)}`);
  }
  return names.join(" ");
}

function readImports(scan: ScanState, body: Reader): void {
  const count = body.leb();
  for (let i = 0; i < count && !body.failed; i++) {
    const module = body.name();
    const name = body.name();
    const kind = KINDS[body.byte()];
    let signature = "";
    if (kind === "function") {
      const type = body.leb();
      scan.functions.push(type);
      signature = scan.types[type] ?? "";
    } else if (kind === "table") readTable(scan, body);
    else if (kind === "memory") scan.importedMemory = addMemory(scan, body);
    else if (kind === "global") body.skip(2);
    else {
      forbid(scan, "exceptions");
      body.skip(1);
      body.leb();
    }
    scan.imports.push({ module, name, kind: kind ?? "tag", signature });
  }
}

function readTable(scan: ScanState, body: Reader): void {
  const type = body.byte();
  if (type !== 0x70 && type !== 0x6f) forbid(scan, "typed references");
  const flags = body.byte();
  const initial = body.leb();
  if ((flags & 1) !== 0) body.leb();
  scan.maxTableEntries = Math.max(scan.maxTableEntries, initial);
}

function addMemory(scan: ScanState, body: Reader): MemoryType {
  const flags = body.byte();
  const initialPages = body.leb();
  const maximumPages = (flags & 1) !== 0 ? body.leb() : undefined;
  const memory = { initialPages, maximumPages, shared: (flags & 2) !== 0, is64: (flags & 4) !== 0 };
  if (memory.shared) forbid(scan, "shared memory");
  if (memory.is64) forbid(scan, "64-bit memory");
  scan.memories.push(memory);
  return memory;
}

function readExports(scan: ScanState, body: Reader): void {
  const count = body.leb();
  for (let i = 0; i < count && !body.failed; i++) {
    const name = body.name();
    const kind = KINDS[body.byte()] ?? "tag";
    const index = body.leb();
    const type = kind === "function" ? scan.functions[index] : undefined;
    scan.exports.push({ name, kind, signature: type === undefined ? "" : (scan.types[type] ?? "") });
  }
}

function readCode(scan: ScanState, body: Reader): void {
  const count = body.leb();
  for (let i = 0; i < count && !body.failed; i++) {
    const size = body.leb();
    const end = body.at + size;
    scan.largestFunctionBytes = Math.max(scan.largestFunctionBytes, size);
    let locals = 0;
    for (let groups = body.leb(); groups > 0 && !body.failed; groups--) {
      locals += body.leb();
      body.byte();
    }
    scan.mostLocals = Math.max(scan.mostLocals, locals);
    body.at = Math.min(end, body.end);
    if (end > body.end) body.failed = true;
  }
}
