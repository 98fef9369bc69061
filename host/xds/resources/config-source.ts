// core.v3.ConfigSource: where dynamic resources come from. Files here; control planes are refused by name.
import type { ConfigReader } from "../../config/extension.ts";
import type { FileConfigSource } from "../context.ts";

export function parseConfigSource(reader: ConfigReader): FileConfigSource | undefined {
  const initialFetchTimeoutMs = reader.optionalDurationMs("initial_fetch_timeout") ?? 15_000;
  if (reader.choice<"AUTO" | "V2" | "V3">("resource_api_version", "AUTO") === "V2") {
    reader.refuse("resource_api_version", "V2 (and AUTO) xDS transport protocol versions are deprecated");
  }
  const kind = reader.which("config_source_specifier");
  if (kind === "path") return { path: reader.text("path"), watchedDirectory: undefined, initialFetchTimeoutMs };
  if (kind === "path_config_source") {
    const source = reader.message("path_config_source");
    // fs.watch reports changes; where it cannot, the directory is read again at an interval of our own.
    source?.ignore("poll_interval");
    const path = source?.text("path") ?? "";
    return { path, watchedDirectory: source?.message("watched_directory")?.text("path"), initialFetchTimeoutMs };
  }
  if (kind === "ads") reader.refuse("ads", "not implemented: give path_config_source");
  else if (kind !== undefined) reader.refuse(kind, "not implemented: give path_config_source");
  return undefined;
}
