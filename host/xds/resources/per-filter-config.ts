// typed_per_filter_config: overrides by filter name, each read by the extension that its type belongs to.
import type { AnyReader, ConfigReader, ParseContext } from "../../config/extension.ts";
import type { PerFilterConfig, PerFilterOverride } from "../../config/route.ts";

export function parsePerFilterConfig(reader: ConfigReader, ctx: ParseContext): PerFilterConfig {
  const overrides: Record<string, PerFilterOverride> = {};
  for (const [name, any] of reader.anyMap("typed_per_filter_config")) {
    const override = parseOverride(any, ctx);
    if (override !== undefined) overrides[name] = override;
  }
  return overrides;
}

function parseOverride(any: AnyReader, ctx: ParseContext): PerFilterOverride | undefined {
  if (any.typeName !== "envoy.config.route.v3.FilterConfig") {
    return parseConfig(any, false, undefined, ctx);
  }
  const wrapper = any.message;
  const config = wrapper?.any("config");
  const isOptional = wrapper?.flag("is_optional") ?? false;
  const disabled = wrapper?.flag("disabled") ?? false;
  if (config === undefined) return { disabled, config: undefined };
  // A disabled filter's own override does not matter; Envoy does not look at it.
  return disabled ? { disabled, config: undefined } : parseConfig(config, isOptional, disabled, ctx);
}

function parseConfig(any: AnyReader, isOptional: boolean, disabled: boolean | undefined, ctx: ParseContext): PerFilterOverride | undefined {
  const extension = ctx.extensions.httpFilters.find((candidate) => candidate.perRoute?.typeNames.includes(any.typeName));
  if (extension?.perRoute === undefined || any.message === undefined) {
    if (!isOptional) any.refuse(`Didn't find a registered implementation for type URL: '${any.typeUrl}'`);
    return undefined;
  }
  return { disabled, config: extension.perRoute.parse(any.message, ctx) };
}
