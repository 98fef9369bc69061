// request_headers_to_add/remove and response_headers_to_add/remove, compiled (Envoy: "Custom request/response headers").
// Removal comes before addition; values are format strings.
import type { HeaderToAdd } from "../config/route.ts";
import { compileFormat, type Formatter } from "../http/formatter.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { StreamInfo } from "../http/stream-info.ts";

interface Addition {
  readonly name: string;
  readonly formatter: Formatter;
  readonly action: HeaderToAdd["appendAction"];
  readonly keepEmptyValue: boolean;
}

export class HeaderMutation {
  private readonly additions: readonly Addition[];
  private readonly removals: readonly string[];

  constructor(toAdd: readonly HeaderToAdd[], toRemove: readonly string[]) {
    this.additions = toAdd.map((header) => ({
      // host is how operators write :authority.
      name: header.name === "host" ? ":authority" : header.name,
      formatter: compileFormat(header.value, true),
      action: header.appendAction,
      keepEmptyValue: header.keepEmptyValue,
    }));
    this.removals = toRemove;
  }

  get empty(): boolean {
    return this.additions.length === 0 && this.removals.length === 0;
  }

  apply(headers: HeaderMap, info: StreamInfo): void {
    for (const name of this.removals) headers.remove(name);
    for (const { name, formatter, action, keepEmptyValue } of this.additions) {
      const value = formatter.format(info);
      if (value === "" && !keepEmptyValue) continue;
      switch (action) {
        case "APPEND_IF_EXISTS_OR_ADD":
          if (name.startsWith(":")) headers.set(name, value);
          else headers.add(name, value);
          break;
        case "ADD_IF_ABSENT":
          if (!headers.has(name)) headers.add(name, value);
          break;
        case "OVERWRITE_IF_EXISTS_OR_ADD":
          headers.set(name, value);
          break;
        case "OVERWRITE_IF_EXISTS":
          if (headers.has(name)) headers.set(name, value);
          break;
      }
    }
  }
}
