// ConfigReader over a decoded message. It keeps account of the fields that were read: finish() refuses what is set, was not
// read and is not in ignored-fields.ts, so that nothing an operator wrote is ever dropped in silence.
import type { AnyReader, ConfigReader } from "../config/extension.ts";
import { ignoredFields } from "./ignored-fields.ts";
import { AnyMessage, isMessage, type Message } from "./message.ts";
import { joinField, joinIndex, joinKey, type Problems } from "./problems.ts";
import { messageType } from "./protos.ts";
import { encodeMessage } from "./wire-encode.ts";

export class MessageReader implements ConfigReader {
  readonly path: string;
  readonly typeName: string;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #problems: Problems;
  readonly #read = new Set<string>();
  readonly #children: MessageReader[] = [];

  constructor(message: Message, path: string, problems: Problems) {
    this.path = path;
    this.typeName = message.typeName;
    this.#fields = message.fields;
    this.#problems = problems;
  }

  has(field: string): boolean {
    return this.#fields.has(field);
  }

  text(field: string, unset = ""): string {
    return this.optionalText(field) ?? unset;
  }

  optionalText(field: string): string | undefined {
    const value = this.#take(field);
    return typeof value === "string" ? value : undefined;
  }

  number(field: string, unset = 0): number {
    return this.optionalNumber(field) ?? unset;
  }

  optionalNumber(field: string): number | undefined {
    const value = this.#take(field);
    return typeof value === "number" ? value : undefined;
  }

  flag(field: string, unset = false): boolean {
    return this.optionalFlag(field) ?? unset;
  }

  optionalFlag(field: string): boolean | undefined {
    const value = this.#take(field);
    return typeof value === "boolean" ? value : undefined;
  }

  durationMs(field: string, unset = 0): number {
    return this.optionalNumber(field) ?? unset;
  }

  optionalDurationMs(field: string): number | undefined {
    const value = this.optionalNumber(field);
    if (value === undefined || value >= 0) return value;
    // A constraint may have said so already.
    if (!this.#problems.covers(joinField(this.path, field))) this.refuse(field, `Expected positive duration: ${value / 1000}s`);
    return undefined;
  }

  choice<T extends string>(field: string, unset: T): T {
    const value = this.#take(field);
    return typeof value === "string" ? (value as T) : unset;
  }

  bytes(field: string): Uint8Array | undefined {
    const value = this.#take(field);
    return value instanceof Uint8Array ? value : undefined;
  }

  texts(field: string): readonly string[] {
    return this.#list(field).filter((item) => typeof item === "string");
  }

  numbers(field: string): readonly number[] {
    return this.#list(field).filter((item) => typeof item === "number");
  }

  json(field: string): unknown {
    return this.#take(field);
  }

  jsonMap(field: string): readonly (readonly [string, unknown])[] {
    return this.#entries(field);
  }

  message(field: string): MessageReader | undefined {
    const value = this.#take(field);
    return isMessage(value) ? this.#child(value, joinField(this.path, field)) : undefined;
  }

  messages(field: string): readonly MessageReader[] {
    const path = joinField(this.path, field);
    return this.#list(field).flatMap((item, index) => (isMessage(item) ? [this.#child(item, joinIndex(path, index))] : []));
  }

  messageMap(field: string): readonly (readonly [string, MessageReader])[] {
    const path = joinField(this.path, field);
    return this.#entries(field).flatMap(([key, item]) => (isMessage(item) ? [[key, this.#child(item, joinKey(path, key))] as const] : []));
  }

  textMap(field: string): readonly (readonly [string, string])[] {
    return this.#entries(field).flatMap(([key, item]) => (typeof item === "string" ? [[key, item] as const] : []));
  }

  any(field: string): AnyReader | undefined {
    const value = this.#take(field);
    return value instanceof AnyMessage ? this.#any(value, joinField(this.path, field)) : undefined;
  }

  anyMap(field: string): readonly (readonly [string, AnyReader])[] {
    const path = joinField(this.path, field);
    return this.#entries(field).flatMap(([key, item]) =>
      item instanceof AnyMessage ? [[key, this.#any(item, joinKey(path, key))] as const] : [],
    );
  }

  which(oneof: string): string | undefined {
    const choices = messageType(this.typeName)?.fields.filter((field) => field.oneof === oneof) ?? [];
    return choices.find((field) => this.#fields.has(field.name))?.name;
  }

  refuse(field: string, reason: string): void {
    const name = /^\w+/.exec(field)?.[0] ?? "";
    this.#read.add(name);
    // A value that did not decode has its own problem, and what follows from its absence is noise.
    if (this.#fields.has(name) && this.#fields.get(name) === undefined) return;
    this.#problems.add(field === "" ? this.path : joinField(this.path, field), reason);
  }

  ignore(...fields: readonly string[]): void {
    for (const field of fields) this.#read.add(field);
  }

  /** Refuses what was set and not read, here and in every message that was opened from here. */
  finish(): void {
    for (const field of this.#fields.keys()) {
      if (this.#read.has(field) || ignoredFields[this.typeName]?.[field] !== undefined) continue;
      // What was refused with its message, or for its value, is not news.
      const path = joinField(this.path, field);
      if (!this.#problems.covers(path)) this.#problems.add(path, "not implemented");
    }
    for (const child of this.#children) child.finish();
  }

  #take(field: string): unknown {
    this.#read.add(field);
    return this.#fields.get(field);
  }

  #list(field: string): readonly unknown[] {
    const value = this.#take(field);
    return Array.isArray(value) ? value : [];
  }

  #entries(field: string): readonly (readonly [string, unknown])[] {
    const value = this.#take(field);
    return value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)] : [];
  }

  #child(message: Message, path: string): MessageReader {
    const child = new MessageReader(message, path, this.#problems);
    this.#children.push(child);
    return child;
  }

  #any(any: AnyMessage, path: string): AnyReader {
    // Opened only by the getter: a message whose bytes are merely passed on has no fields that must be understood.
    let opened: MessageReader | undefined;
    const open = (): MessageReader | undefined => {
      if (opened === undefined && any.message !== undefined) opened = this.#child(any.message, path);
      return opened;
    };
    return {
      path,
      typeUrl: any.typeUrl,
      typeName: any.typeName,
      get message() {
        return open();
      },
      serialize: () => (any.message === undefined ? undefined : encodeMessage(any.message)),
      refuse: (reason) => this.#problems.add(path, reason),
    };
  }
}
