// What the configuration reader gets from the rest of the host.
import { checkRegex } from "../base/regex.ts";
import type { LiveModuleSource } from "../config/module-code.ts";
import { checkFormat } from "../http/formatter.ts";
import type { XdsServices } from "../xds/context.ts";
import { builtInExtensions } from "../xds/extensions.ts";
import { createFileModuleSource } from "../xds/module-source.ts";

export function createXdsServices(): XdsServices & { readonly modules: LiveModuleSource } {
  return {
    checkRegex,
    checkFormat: (format) => checkFormat(format.replaceAll("%LOCAL_REPLY_BODY%", "")),
    modules: createFileModuleSource(),
    environment: process.env,
    extensions: builtInExtensions,
  };
}
