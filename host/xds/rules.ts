// The constraints that the .proto files state of their fields (protoc-gen-validate), in Envoy's words.
import type { FieldType } from "./protos.ts";

type Rules = Readonly<Record<string, unknown>>;
type Report = (reason: string) => void;

/**
 * Checks one field of a message. `value` is undefined when it is not set: a scalar then counts with its zero value, as
 * in proto3, except in a oneof or a wrapper.
 */
export function checkFieldRules(field: FieldType, value: unknown, report: Report): void {
  const { rules } = field;
  if (rules === undefined) return;
  const message = rulesOf(rules, "message");
  if (value === undefined && field.oneof === undefined && (message?.required === true || isRequired(rules))) report("value is required");
  if (field.repeated) {
    checkRepeated(rulesOf(rules, "repeated") ?? {}, Array.isArray(value) ? value : [], report);
  } else if (field.mapKey !== undefined) {
    checkMap(rulesOf(rules, "map") ?? {}, value instanceof Map ? value : new Map<string, unknown>(), report);
  } else if (value !== undefined) {
    checkValue(rules, value, report);
  } else if (field.oneof === undefined) {
    const zero = zeroOf(field.type);
    if (zero !== undefined) checkValue(rules, zero, report);
  }
}

function isRequired(rules: Rules): boolean {
  return rulesOf(rules, "duration")?.required === true || rulesOf(rules, "any")?.required === true;
}

function rulesOf(rules: Rules, kind: string): Rules | undefined {
  const of = rules[kind];
  return typeof of === "object" && of !== null ? (of as Rules) : undefined;
}

/** undefined for messages, enums (their zero is always defined) and 64-bit rules that no unset field breaks. */
function zeroOf(type: string): unknown {
  if (type === "string") return "";
  if (type === "bool") return false;
  if (type === "bytes") return new Uint8Array(0);
  return /^(u?int|double|float)/.test(type) ? 0 : undefined;
}

function checkValue(rules: Rules, value: unknown, report: Report): void {
  for (const [kind, of] of Object.entries(rules)) {
    if (typeof of !== "object" || of === null) continue;
    const rule = of as Rules;
    if (kind === "string" && typeof value === "string") checkString(rule, value, report);
    else if (kind === "bytes" && value instanceof Uint8Array) checkLength(rule, value.length, "len", "bytes", report);
    else if (kind === "bool" && rule.const !== undefined && value !== rule.const) report(`value must equal ${rule.const}`);
    else if (kind === "duration" && typeof value === "number") checkRange(rule, value, durationMs, "s", report);
    else if (typeof value === "number") checkRange(rule, value, Number, "", report);
    else if (kind === "enum") checkEnum(rule, value, report);
  }
}

function checkString(rule: Rules, value: string, report: Report): void {
  if (rule.ignore_empty === true && value === "") return;
  checkLength(rule, [...value].length, "len", "characters", report);
  checkLength(rule, Buffer.byteLength(value), "bytes", "bytes", report);
  if (typeof rule.pattern === "string" && !new RegExp(rule.pattern, "u").test(value)) {
    report(`value does not match regex pattern ${JSON.stringify(rule.pattern)}`);
  }
  if (typeof rule.prefix === "string" && !value.startsWith(rule.prefix))
    report(`value does not have prefix: ${JSON.stringify(rule.prefix)}`);
  if (typeof rule.suffix === "string" && !value.endsWith(rule.suffix)) report(`value does not have suffix: ${JSON.stringify(rule.suffix)}`);
  if (Array.isArray(rule.in) && !rule.in.includes(value)) report(`value must be in list [${rule.in.join(", ")}]`);
  checkWellKnown(rule, value, report);
}

const headerName = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/;

/** HTTP_HEADER_NAME and HTTP_HEADER_VALUE; with strict: false both refuse only what would split a header. */
function checkWellKnown(rule: Rules, value: string, report: Report): void {
  if (rule.well_known_regex === undefined) return;
  const isName = rule.well_known_regex === "HTTP_HEADER_NAME";
  const fits = rule.strict === false ? !splitsHeader(value) : isName ? headerName.test(value) : !hasControl(value);
  if (!fits) report(`value does not match regex pattern of ${isName ? "HTTP header names" : "HTTP header values"}`);
}

function splitsHeader(value: string): boolean {
  return value.includes("\0") || value.includes("\n") || value.includes("\r");
}

function hasControl(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

function checkLength(rule: Rules, length: number, suffix: "len" | "bytes", unit: string, report: Report): void {
  const least = rule[`min_${suffix}`];
  const most = rule[`max_${suffix}`];
  if (typeof least === "number" && length < least) report(`value length must be at least ${least} ${unit}`);
  if (typeof most === "number" && length > most) report(`value length must be at most ${most} ${unit}`);
}

function checkEnum(rule: Rules, value: unknown, report: Report): void {
  // The .proto files list forbidden enum values by number; only Cluster.lb_policy and health statuses have one.
  const numbers = rule.not_in === undefined ? [] : [rule.not_in].flat();
  if (typeof value === "number" && numbers.includes(value)) report(`value must not be in list [${numbers.join(", ")}]`);
}

function checkRepeated(rule: Rules, values: readonly unknown[], report: Report): void {
  if (typeof rule.min_items === "number" && values.length < rule.min_items) {
    report(`value must contain at least ${rule.min_items} item(s)`);
  }
  if (typeof rule.max_items === "number" && values.length > rule.max_items) {
    report(`value must contain no more than ${rule.max_items} item(s)`);
  }
  if (rule.unique === true && new Set(values).size < values.length) report("repeated value must contain unique items");
  const items = rulesOf(rule, "items");
  if (items === undefined) return;
  for (const [index, value] of values.entries()) checkValue(items, value, (reason) => report(`[${index}]: ${reason}`));
}

function checkMap(rule: Rules, map: ReadonlyMap<string, unknown>, report: Report): void {
  if (typeof rule.min_pairs === "number" && map.size < rule.min_pairs) report(`value must contain at least ${rule.min_pairs} pair(s)`);
  const keys = rulesOf(rule, "keys");
  if (keys !== undefined) for (const key of map.keys()) checkValue(keys, key, (reason) => report(`[${JSON.stringify(key)}]: ${reason}`));
}

/** A duration of the rules: {seconds, nanos}. */
function durationMs(value: unknown): number {
  const { seconds = 0, nanos = 0 } = (value ?? {}) as { seconds?: number; nanos?: number };
  return seconds * 1000 + nanos / 1e6;
}

function checkRange(rule: Rules, value: number, limitOf: (limit: unknown) => number, unit: "" | "s", report: Report): void {
  const low = limit(rule.gt, rule.gte, limitOf);
  const high = limit(rule.lt, rule.lte, limitOf);
  const tooLow = low !== undefined && (low.isOpen ? value <= low.at : value < low.at);
  const tooHigh = high !== undefined && (high.isOpen ? value >= high.at : value > high.at);
  if (!tooLow && !tooHigh) return;
  const text = (at: number): string => (unit === "s" ? `${at / 1000}s` : String(at));
  if (low !== undefined && high !== undefined) {
    report(`value must be inside range ${low.isOpen ? "(" : "["}${text(low.at)}, ${text(high.at)}${high.isOpen ? ")" : "]"}`);
  } else if (low !== undefined) {
    report(`value must be greater than ${low.isOpen ? "" : "or equal to "}${text(low.at)}`);
  } else if (high !== undefined) {
    report(`value must be less than ${high.isOpen ? "" : "or equal to "}${text(high.at)}`);
  }
}

function limit(open: unknown, closed: unknown, limitOf: (limit: unknown) => number): { at: number; isOpen: boolean } | undefined {
  if (open !== undefined) return { at: limitOf(open), isOpen: true };
  return closed === undefined ? undefined : { at: limitOf(closed), isOpen: false };
}
