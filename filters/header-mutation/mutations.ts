// One direction's list of changes, encoded once at configure time and applied in a fixed order: remove, set, add, append.

import { ByteString, Headers, JsonValue } from "sluice/sdk";

const enum Action {
  Remove,
  Set,
  AddIfAbsent,
  Append,
}

/** One change, and those that follow it. A chain of links is what the filter needs; an Array would be 600 bytes of it. */
export class Mutation {
  next: Mutation | null = null;

  constructor(
    readonly action: Action,
    readonly name: ByteString,
    readonly value: ByteString,
  ) {}
}

/** Reads `{remove: [name], set: {name: value}, add: {…}, append: {…}}`. Mistakes are recorded in the document. */
export function parseMutations(config: JsonValue): Mutation | null {
  config.allowOnly("remove, set, add, append");
  const head = new Mutation(Action.Remove, ByteString.EMPTY, ByteString.EMPTY);
  let last = parseAll(head, Action.Remove, config.get("remove").firstItem());
  last = parseAll(last, Action.Set, config.get("set").firstMember());
  last = parseAll(last, Action.AddIfAbsent, config.get("add").firstMember());
  parseAll(last, Action.Append, config.get("append").firstMember());
  return head.next;
}

/** Puts the changes behind `last` and answers the new last one. */
function parseAll(last: Mutation, action: Action, first: JsonValue | null): Mutation {
  let item = first;
  while (item != null) {
    const value = item.bytes();
    const name = action == Action.Remove ? value : item.keyBytes;
    check(item, action, name, value);
    const mutation = new Mutation(action, name.toLowerCase(), value);
    last.next = mutation;
    last = mutation;
    item = item.next;
  }
  return last;
}

function check(place: JsonValue, action: Action, name: ByteString, value: ByteString): void {
  if (!isHeaderName(name)) place.failWith(name, "is not a header name");
  if (value.indexOfByte(0x0d) >= 0 || value.indexOfByte(0x0a) >= 0 || value.indexOfByte(0) >= 0) {
    place.fail("a header value holds no line breaks and no NUL");
  }
  if (name.at(0) == 0x3a && action != Action.Set) place.fail("a pseudo header can only be set");
}

/** Applies the changes. 1 host call each, 2 for an `add` of an absent header. */
export function applyMutations(first: Mutation | null, headers: Headers): void {
  let mutation = first;
  while (mutation != null) {
    const action = mutation.action;
    if (action == Action.Remove) headers.removeBytes(mutation.name);
    else if (action == Action.Set) headers.setBytes(mutation.name, mutation.value);
    else if (action == Action.Append || headers.getBytes(mutation.name) == null) headers.addBytes(mutation.name, mutation.value);
    mutation = mutation.next;
  }
}

/** The characters of a token of RFC 9110 below 0x40 and from there on, one bit each. */
const TOKEN_LOW: u64 = 0x03ff6cfa00000000;
const TOKEN_HIGH: u64 = 0x57ffffffc7fffffe;

/** A token of RFC 9110, or a pseudo header. */
function isHeaderName(name: ByteString): bool {
  const start = name.at(0) == 0x3a ? 1 : 0;
  for (let i = start; i < name.length; i++) {
    const code = name.at(i);
    if (code > 0x7f || (((code < 0x40 ? TOKEN_LOW : TOKEN_HIGH) >> (code & 0x3f)) & 1) == 0) return false;
  }
  return name.length > start;
}
