// The network filters of a filter chain. The only place where a filter's type decides; which there are says the table of extensions.
import type { AnyReader, ConfigReader, NetworkFilterExtension } from "../../config/extension.ts";
import type { NetworkFilter } from "../../config/network-filter.ts";
import type { ResourceContext } from "../context.ts";

export function parseNetworkFilters(chain: ConfigReader, ctx: ResourceContext): readonly NetworkFilter[] {
  const readers = chain.messages("filters");
  if (readers.length === 0) chain.refuse("filters", "no filters: a connection would be closed at once");
  return readers.flatMap((reader, index) => {
    const name = reader.text("name");
    const config = reader.any("typed_config");
    if (reader.has("config_discovery")) {
      reader.refuse("config_discovery", "not implemented for network filters");
      return [];
    }
    if (config === undefined) {
      reader.refuse("typed_config", `Didn't find a registered implementation for '${name}' with type URL: ''`);
      return [];
    }
    const extension = findExtension(config, ctx);
    if (extension === undefined || config.message === undefined) {
      config.refuse(`not implemented: ${config.typeName}`);
      return [];
    }
    checkTerminal(reader, name, extension, index === readers.length - 1);
    return extension.parse(config.message, name, ctx) ?? [];
  });
}

function findExtension(config: AnyReader, ctx: ResourceContext): NetworkFilterExtension | undefined {
  return ctx.extensions.networkFilters.find((extension) => extension.typeNames.includes(config.typeName));
}

function checkTerminal(reader: ConfigReader, name: string, extension: NetworkFilterExtension, isLast: boolean): void {
  if (extension.isTerminal === isLast) return;
  reader.refuse(
    "",
    isLast
      ? `Error: non-terminal filter named ${name} of type ${extension.name} is the last filter in a network filter chain.`
      : `Error: terminal filter named ${name} of type ${extension.name} must be the last filter in a network filter chain.`,
  );
}
