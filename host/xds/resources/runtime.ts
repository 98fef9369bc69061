// config.bootstrap.v3.LayeredRuntime: static layers merged, later ones over earlier ones.
import type { ConfigReader } from "../../config/extension.ts";
import type { Bootstrap } from "../../config/snapshot.ts";
import { isJsonObject, type Json } from "../message.ts";

type Entries = Record<string, number | string | boolean>;

export function parseRuntime(reader: ConfigReader | undefined): Bootstrap["layeredRuntime"] {
  const entries: Entries = {};
  const names = new Set<string>();
  let adminLayers = 0;
  for (const layer of reader?.messages("layers") ?? []) {
    const name = layer.text("name");
    if (names.has(name)) layer.refuse("name", `Duplicate layer name: ${name}`);
    names.add(name);
    const values = layer.json("static_layer");
    if (isJsonObject(values)) flatten("", values, entries, (key) => layer.refuse("static_layer", `Invalid runtime entry value for ${key}`));
    // The admin layer is where /runtime_modify would write; it starts empty and stays so.
    if (layer.message("admin_layer") !== undefined) adminLayers += 1;
    if (adminLayers > 1) layer.refuse("admin_layer", "Too many admin layers specified in LayeredRuntime, at most one may be specified");
  }
  return entries;
}

/** {a: {b: 1}} is the key a.b; {numerator, denominator} is one value, in percent. */
function flatten(prefix: string, values: { readonly [key: string]: Json }, into: Entries, refuse: (key: string) => void): void {
  for (const [key, value] of Object.entries(values)) {
    const name = prefix === "" ? key : `${prefix}.${key}`;
    if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") into[name] = value;
    else if (isJsonObject(value) && isFraction(value)) into[name] = percentOf(value);
    else if (isJsonObject(value)) flatten(name, value, into, refuse);
    else refuse(name);
  }
}

function isFraction(value: { readonly [key: string]: Json }): boolean {
  return "numerator" in value || "denominator" in value;
}

function percentOf(value: { readonly [key: string]: Json }): number {
  const scale = value.denominator === "MILLION" ? 10_000 : value.denominator === "TEN_THOUSAND" ? 100 : 1;
  return Number(value.numerator ?? 0) / scale;
}
