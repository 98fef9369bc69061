// Which contexts live in this VM, and which class serves which root id. The exports look contexts up here; a number
// that is not known yields null and the callback's default, never a trap.

import { LogLevel, WasmResult } from "./abi";
import { ByteString } from "./bytes";
import { Context, ContextKind, HttpContext, RootContext, TcpContext } from "./context";
import { proxy_get_property } from "./env";
import { IdTable } from "./id-table";
import { writeLine } from "./log";
import { clearSlots, LEN_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT, LINE } from "./text";

/** Makes the root context with the given number. */
export type RootFactory = (id: u32) => RootContext;

class Registration {
  constructor(
    readonly factory: RootFactory,
    readonly rootId: string,
    readonly before: Registration | null,
  ) {}
}

let registrations: Registration | null = null;

const contexts = new IdTable<Context>();

/**
 * Says which class serves a root id. Call it at the top level of the filter. With one registration every root id of
 * the configuration gets it; with several, the one of the same name, else the one registered without a name.
 */
export function registerRootContext(factory: RootFactory, rootId: string = ""): void {
  registrations = new Registration(factory, rootId, registrations);
}

/** Any live context of a number. */
export function anyContext(id: u32): Context | null {
  return contexts.get(id);
}

/** The root context of a number; null for streams and unknown numbers. */
export function rootContext(id: u32): RootContext | null {
  const context = contexts.get(id);
  return context != null && context.kind == ContextKind.Root ? changetype<RootContext>(context) : null;
}

/** The HTTP context of a number; null for others and unknown numbers. */
export function httpContext(id: u32): HttpContext | null {
  const context = contexts.get(id);
  return context != null && context.kind == ContextKind.Http ? changetype<HttpContext>(context) : null;
}

/** The TCP context of a number; null for others and unknown numbers. */
export function tcpContext(id: u32): TcpContext | null {
  const context = contexts.get(id);
  return context != null && context.kind == ContextKind.Tcp ? changetype<TcpContext>(context) : null;
}

/** Serves `proxy_on_context_create`: a root when `parentId` is 0, else a stream under that root. */
export function createContext(id: u32, parentId: u32): void {
  if (parentId == 0) {
    const registration = findRegistration();
    if (registration != null) contexts.set(id, registration.factory(id));
    return;
  }
  const root = rootContext(parentId);
  if (root == null) return;
  const stream = root.createHttpContext(id);
  if (stream != null) {
    contexts.set(id, stream);
    return;
  }
  const connection = root.createTcpContext(id);
  if (connection != null) contexts.set(id, connection);
}

/** Serves `proxy_on_delete`. */
export function deleteContext(id: u32): void {
  const context = contexts.get(id);
  if (context == null) return;
  context.isDeleted = true;
  context.onDelete();
  contexts.delete(id);
}

function findRegistration(): Registration | null {
  const last = registrations;
  if (last == null || last.before == null) return last;
  const rootId = pluginRootId();
  let unnamed: Registration | null = null;
  for (let item: Registration | null = last; item != null; item = item.before) {
    if (ByteString.of(item.rootId).equals(rootId)) return item;
    if (item.rootId.length == 0) unnamed = item;
  }
  if (unnamed == null) {
    LINE.put('no root context is registered for root_id "');
    LINE.addBytes(rootId.ptr, rootId.length).add('"; there are');
    for (let item: Registration | null = last; item != null; item = item.before) LINE.add(' "').add(item.rootId).addCode(0x22);
    writeLine(LogLevel.Error);
  }
  return unnamed;
}

function pluginRootId(): ByteString {
  const path = KEY_TEXT.put("plugin_root_id");
  clearSlots();
  if (proxy_get_property(path, KEY_TEXT.len, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) clearSlots();
  return ByteString.wrap(takeBuffer());
}
