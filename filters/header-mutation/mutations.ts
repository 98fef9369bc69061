// One direction's list of changes, encoded once at configure time and applied in a fixed order: remove, set, add, append.

import { ByteString, Headers, JsonValue } from "sluice/sdk";

const enum Action {
  Remove,
  Set,
  AddIfAbsent,
  Append,
}

class Mutation {
  constructor(
    readonly action: Action,
    readonly name: ByteString,
    readonly value: ByteString,
  ) {}
}

/** The changes of one direction. */
export class Mutations {
  private all: Mutation[] = [];

  /** Reads `{remove: [name], set: {name: value}, add: {…}, append: {…}}`. Mistakes are recorded in the document. */
  static parse(config: JsonValue): Mutations {
    const mutations = new Mutations();
    if (!config.exists) return mutations;
    config.allowOnly("remove, set, add, append");
    const removed = config.get("remove").array();
    for (let i = 0; i < removed.length; i++) {
      mutations.push(Action.Remove, removed[i], removed[i].string(""), ByteString.EMPTY);
    }
    mutations.pushAll(Action.Set, config.get("set"));
    mutations.pushAll(Action.AddIfAbsent, config.get("add"));
    mutations.pushAll(Action.Append, config.get("append"));
    return mutations;
  }

  /** Applies the changes. 1 host call each, 2 for an `add` of an absent header. */
  apply(headers: Headers): void {
    for (let i = 0; i < this.all.length; i++) {
      const mutation = this.all[i];
      if (mutation.action == Action.Remove) headers.removeBytes(mutation.name);
      else if (mutation.action == Action.Set) headers.setBytes(mutation.name, mutation.value);
      else if (mutation.action == Action.Append) headers.addBytes(mutation.name, mutation.value);
      else if (headers.getBytes(mutation.name) == null) headers.addBytes(mutation.name, mutation.value);
    }
  }

  private pushAll(action: Action, values: JsonValue): void {
    const members = values.members();
    for (let i = 0; i < members.length; i++) {
      const member = members[i];
      this.push(action, member, member.key, ByteString.of(member.string("")));
    }
  }

  private push(action: Action, place: JsonValue, name: string, value: ByteString): void {
    if (!isHeaderName(name)) place.fail('"' + name + '" is not a header name');
    if (value.indexOfByte(0x0d) >= 0 || value.indexOfByte(0x0a) >= 0 || value.indexOfByte(0) >= 0) {
      place.fail("a header value holds no line breaks and no NUL");
    }
    if (name.startsWith(":") && action != Action.Set) place.fail("a pseudo header can only be set");
    this.all.push(new Mutation(action, ByteString.of(name).toLowerCase(), value));
  }
}

/** A token of RFC 9110, or a pseudo header. */
function isHeaderName(name: string): bool {
  const start = name.startsWith(":") ? 1 : 0;
  for (let i = start; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const lower = code | 0x20;
    const alphanumeric = (code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
    if (!alphanumeric && !"!#$%&'*+-.^_`|~".includes(name.charAt(i))) return false;
  }
  return name.length > start;
}
