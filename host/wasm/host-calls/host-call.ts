// What a row of the host-call table says, and how a row becomes an import of one VM.
// A handler gets the VM and the guest's raw arguments; it answers a status and never throws on anything a guest can do.
import type { AbiVersion } from "../abi.ts";
import type { Vm } from "../vm.ts";

/** Callbacks during which a function may be called beside ordinary ones; others trap there, as cpp-host restricts them. */
export const AllowedIn = { Callbacks: 0, Start: 1, Allocator: 2, StartAndAllocator: 3 } as const;
export type AllowedIn = (typeof AllowedIn)[keyof typeof AllowedIn];

export type HostCallHandler = (vm: Vm, ...args: never[]) => number;

export interface HostCall {
  /** "i" for i32 and "j" for i64, one letter a parameter. */
  readonly params: string;
  /** "i" i32, "d" f64, "" nothing. */
  readonly result: string;
  /** Old modules import some status functions without a result; the engine accepts a function for either. */
  readonly resultOptional: boolean;
  /** Versions whose specification has it; the union is offered to every module. */
  readonly versions: readonly AbiVersion[];
  readonly allowedIn: AllowedIn;
  /** The answer when capability restriction denies it. */
  readonly denied: number;
  readonly handler: HostCallHandler;
}

const TYPE_NAMES: Readonly<Record<string, string>> = { i: "i32", j: "i64", d: "f64" };

/** In module-scan.ts' notation. */
export function signatureOf(call: HostCall): string {
  const params = [...call.params].map((letter) => TYPE_NAMES[letter]).join(" ");
  return `${params} -> ${TYPE_NAMES[call.result] ?? ""}`.trim();
}

export function acceptsSignature(call: HostCall, signature: string): boolean {
  if (signature === signatureOf(call)) return true;
  return call.resultOptional && signature === signatureOf({ ...call, result: "" });
}
