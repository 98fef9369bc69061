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

  /** Values are all made first; then what replaces is set, then what appends is added: Envoy's HeaderParser::evaluateHeaders. */
  apply(headers: HeaderMap, info: StreamInfo): void {
    for (const name of this.removals) headers.remove(name);
    if (this.additions.length === 0) return;
    const values = this.additions.map((addition) => addition.formatter.format(info));
    const present = this.additions.map((addition) => headers.has(addition.name));
    this.additions.forEach(({ name, action, keepEmptyValue }, i) => {
      if (values[i] === "" && !keepEmptyValue) return;
      const replaces =
        action === "OVERWRITE_IF_EXISTS_OR_ADD" ||
        (action === "OVERWRITE_IF_EXISTS" && present[i]) ||
        (action === "APPEND_IF_EXISTS_OR_ADD" && name.startsWith(":"));
      if (replaces) headers.set(name, values[i]);
    });
    this.additions.forEach(({ name, action, keepEmptyValue }, i) => {
      if (values[i] === "" && !keepEmptyValue) return;
      if ((action === "APPEND_IF_EXISTS_OR_ADD" && !name.startsWith(":")) || (action === "ADD_IF_ABSENT" && !present[i]))
        headers.add(name, values[i]);
    });
  }
}
