// The filter chain of a connection manager, and filter configs that come by ECDS.
import type { AnyReader, ConfigReader, ParseContext } from "../../config/extension.ts";
import type { HttpFilterConfig } from "../../config/listener.ts";
import type { ResourceContext } from "../context.ts";
import { typeNameOf } from "../message.ts";
import { parseConfigSource } from "./config-source.ts";

export function parseHttpFilters(manager: ConfigReader, ctx: ResourceContext): readonly HttpFilterConfig[] {
  const readers = manager.messages("http_filters");
  const filters: HttpFilterConfig[] = [];
  readers.forEach((reader, index) => {
    const filter = parseHttpFilter(reader, ctx);
    if (filter !== undefined) filters.push(filter);
    checkTerminal(reader, index === readers.length - 1, ctx);
  });
  if (readers.length === 0) manager.refuse("http_filters", "no terminal filter configured: the router must be the last filter");
  return filters;
}

/** The only place where a filter's own type decides; undefined after a refusal, or for an optional filter that is not known. */
function parseHttpFilter(reader: ConfigReader, ctx: ResourceContext): HttpFilterConfig | undefined {
  const name = reader.text("name");
  const disabled = reader.flag("disabled");
  const isOptional = reader.flag("is_optional");
  const discovery = reader.message("config_discovery");
  if (discovery !== undefined) return parseDiscovered(discovery, name, disabled, ctx);
  const config = reader.any("typed_config");
  if (config === undefined) {
    // Envoy still finds well-known filters without a config by their name.
    if (!isOptional) reader.refuse("typed_config", `Didn't find a registered implementation for '${name}' with type URL: ''`);
    return undefined;
  }
  return parseFilterConfig(config, { name, disabled }, ctx, isOptional);
}

export function parseFilterConfig(
  config: AnyReader,
  filter: { readonly name: string; readonly disabled: boolean },
  ctx: ParseContext,
  isOptional: boolean,
): HttpFilterConfig | undefined {
  const extension = ctx.extensions.httpFilters.find((candidate) => candidate.typeNames.includes(config.typeName));
  if (extension !== undefined && config.message !== undefined) return extension.parse(config.message, filter, ctx);
  if (!isOptional) config.refuse(`not implemented: ${config.typeName}`);
  return undefined;
}

function parseDiscovered(reader: ConfigReader, name: string, disabled: boolean, ctx: ResourceContext): HttpFilterConfig {
  const source = reader.message("config_source");
  const from = source === undefined ? undefined : parseConfigSource(source);
  if (source === undefined) reader.refuse("config_source", "value is required");
  const startsWithDefault = reader.flag("apply_default_config_without_warming");
  const typeUrls = reader.texts("type_urls");
  const typeNames = typeUrls.map(typeNameOf);
  if (from !== undefined) {
    const statPrefix = `extension_config_discovery.http_filter.${name}`;
    ctx.need({ kind: "extension_config", name, source: from, isAwaited: !startsWithDefault, typeNames, statPrefix });
  }
  typeUrls.forEach((typeUrl, index) => {
    const isKnown = ctx.extensions.httpFilters.some((extension) => extension.typeNames.includes(typeNameOf(typeUrl)));
    if (!isKnown) reader.refuse(`type_urls[${index}]`, `Error: no factory found for a required type URL ${typeNameOf(typeUrl)}.`);
  });
  const config = reader.any("default_config");
  if (config !== undefined && !typeNames.includes(config.typeName)) {
    config.refuse(`Error: filter config has type URL ${config.typeName} but expect ${typeNames.join(", ")}.`);
  }
  const defaultConfig = config === undefined ? undefined : parseFilterConfig(config, { name, disabled }, ctx, false);
  if (startsWithDefault && config === undefined) {
    reader.refuse(
      "apply_default_config_without_warming",
      "Error: filter config apply_default_config_without_warming without default_config",
    );
  }
  return { kind: "discovery", name, disabled, typeUrls: typeNames.map((typeName) => `type.googleapis.com/${typeName}`), defaultConfig };
}

function checkTerminal(reader: ConfigReader, isLast: boolean, ctx: ParseContext): void {
  const typeName = reader.any("typed_config")?.typeName;
  const extension = ctx.extensions.httpFilters.find((candidate) => typeName !== undefined && candidate.typeNames.includes(typeName));
  const isTerminal = extension?.isTerminal ?? false;
  if (isTerminal && !isLast) {
    reader.refuse(
      "",
      `Error: terminal filter named ${reader.text("name")} of type ${extension?.name} must be the last filter in a http filter chain.`,
    );
  }
  if (!isTerminal && isLast && (extension !== undefined || reader.has("config_discovery"))) {
    reader.refuse(
      "",
      `Error: non-terminal filter named ${reader.text("name")} of type ${extension?.name ?? "dynamic"} is the last filter in a http filter chain.`,
    );
  }
}
