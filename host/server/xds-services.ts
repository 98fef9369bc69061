// What the configuration reader gets from the rest of the host.
import { checkRegex } from "../base/regex.ts";
import type { LiveModuleSource, RemoteModuleSource } from "../config/extension.ts";
import { checkFormat } from "../http/formatter.ts";
import type { XdsServices } from "../xds/context.ts";
import { builtInExtensions } from "../xds/extensions.ts";
import { createFileModuleSource } from "../xds/module-source.ts";

/** Where configuration is only looked at: what would be fetched stays out. */
const notFetched: RemoteModuleSource = {
  resolve: ({ url }) => ({ pending: url }),
  bytesOf: () => undefined,
  refresh: () => false,
  release: () => undefined,
  onChange: () => () => undefined,
};

export function createXdsServices(remote: RemoteModuleSource = notFetched): XdsServices & { readonly modules: LiveModuleSource } {
  return {
    checkRegex,
    checkFormat: (format) => checkFormat(format.replaceAll("%LOCAL_REPLY_BODY%", "")),
    modules: createFileModuleSource(remote),
    environment: process.env,
    extensions: builtInExtensions,
  };
}
