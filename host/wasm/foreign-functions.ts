// Foreign functions that Envoy's hosts have, by name (source/extensions/common/wasm/foreign.cc), with the same arguments and
// results. Anything else is NotFound. The expr_* family is left out: it needs a CEL compiler.
import { createPrivateKey, createPublicKey, createSign, createVerify } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import { WasmResult } from "./abi.ts";
import { protobufBytes, protobufNumber, protobufText, readProtobuf, writeBytesField } from "../base/protobuf-reader.ts";
import type { Vm } from "./vm.ts";

export interface ForeignAnswer {
  readonly result: WasmResult;
  readonly bytes: Uint8Array;
}

type ForeignFunction = (vm: Vm, args: Uint8Array) => ForeignAnswer;

const NONE = new Uint8Array(0);

const Table: Readonly<Record<string, ForeignFunction>> = Object.freeze({
  compress: (_vm, args) => ok(deflateSync(args)),
  uncompress,
  clear_route_cache: clearRouteCache,
  declare_property: declareProperty,
  set_envoy_filter_state: setEnvoyFilterState,
  verify_signature: verifySignature,
  sign,
});

export const ForeignFunctionNames: readonly string[] = Object.keys(Table);

export function callForeignFunction(vm: Vm, name: string, args: Uint8Array): ForeignAnswer {
  return Object.hasOwn(Table, name) ? Table[name](vm, args) : status(WasmResult.NotFound);
}

function ok(bytes: Uint8Array): ForeignAnswer {
  return { result: WasmResult.Ok, bytes };
}

function status(result: WasmResult): ForeignAnswer {
  return { result, bytes: NONE };
}

function uncompress(vm: Vm, args: Uint8Array): ForeignAnswer {
  try {
    return ok(inflateSync(args, { maxOutputLength: vm.limits.maxUncompressedBytes }));
  } catch {
    // Not zlib, or more than the limit: the guest gets one status for both, as in Envoy.
    return status(WasmResult.SerializationFailure);
  }
}

function clearRouteCache(vm: Vm): ForeignAnswer {
  vm.context.services?.clearRouteCache();
  return ok(NONE);
}

/** DeclarePropertyArguments {name 1, readonly 2, type 3, schema 4, span 5}. Values are kept as bytes whatever their type. */
function declareProperty(vm: Vm, args: Uint8Array): ForeignAnswer {
  const fields = readProtobuf(args);
  if (fields === undefined) return status(WasmResult.BadArgument);
  const name = protobufText(fields, 1);
  const declared = vm.context.root.declaredProperties;
  if (declared.has(name) || declared.size >= MAX_DECLARED) return status(WasmResult.BadArgument);
  declared.set(name, { readonly: protobufNumber(fields, 2) !== 0 });
  return ok(NONE);
}

const MAX_DECLARED = 256;

/** SetEnvoyFilterStateArguments {path 1, value 2, span 3}. Envoy takes names that have an object factory; here all are bytes. */
function setEnvoyFilterState(vm: Vm, args: Uint8Array): ForeignAnswer {
  const fields = readProtobuf(args);
  if (fields === undefined) return status(WasmResult.BadArgument);
  const path = protobufText(fields, 1);
  if (path === "") return status(WasmResult.BadArgument);
  return status(vm.setFilterState(path, protobufBytes(fields, 2).slice()));
}

const HASHES: readonly string[] = ["sha1", "sha224", "sha256", "sha384", "sha512"];

/** VerifySignatureArguments {public_key 1 (DER), hash_function 2, signature 3, text 4}; the result is {result 1, error 2}. */
function verifySignature(_vm: Vm, args: Uint8Array): ForeignAnswer {
  const fields = readProtobuf(args);
  if (fields === undefined) return status(WasmResult.BadArgument);
  const hash = protobufText(fields, 2).toLowerCase();
  if (!HASHES.includes(hash)) return failure(`${hash} is not supported.`);
  try {
    const key = createPublicKey({ key: Buffer.from(protobufBytes(fields, 1)), format: "der", type: "spki" });
    const isValid = createVerify(hash).update(protobufBytes(fields, 4)).verify(key, protobufBytes(fields, 3));
    return isValid ? ok(Uint8Array.from([0x08, 1])) : failure("Failed to verify digest.");
  } catch {
    // node:crypto throws for a key that cannot be read or does not fit.
    return failure("Failed to initialize digest verify.");
  }
}

/** SignArguments {hash_function 1, private_key 2 (DER), text 3}; the result is {result 1, signature 2, error 3}. */
function sign(_vm: Vm, args: Uint8Array): ForeignAnswer {
  const fields = readProtobuf(args);
  if (fields === undefined) return status(WasmResult.BadArgument);
  const hash = protobufText(fields, 1).toLowerCase();
  if (!HASHES.includes(hash)) return ok(writeBytesField(3, Buffer.from(`${hash} is not supported.`, "latin1")));
  try {
    const key = createPrivateKey({ key: Buffer.from(protobufBytes(fields, 2)), format: "der", type: "pkcs8" });
    const signature = createSign(hash).update(protobufBytes(fields, 3)).sign(key);
    return ok(Buffer.concat([Uint8Array.from([0x08, 1]), writeBytesField(2, signature)]));
  } catch {
    // As above: the guest learns that the key was no good.
    return ok(writeBytesField(3, Buffer.from("Failed to initialize digest sign.", "latin1")));
  }
}

function failure(error: string): ForeignAnswer {
  return ok(writeBytesField(2, Buffer.from(error, "latin1")));
}
