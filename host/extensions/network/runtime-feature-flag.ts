// config.core.v3.RuntimeFeatureFlag: a default that the runtime may override.
import type { RuntimeFeatureFlag } from "../../config/network-filter.ts";
import type { RuntimeReader } from "../../router/matchers.ts";

export function isFeatureEnabled(flag: RuntimeFeatureFlag, runtime: RuntimeReader): boolean {
  const value = flag.runtimeKey === "" ? undefined : runtime(flag.runtimeKey);
  if (value === undefined || typeof value === "string") return flag.defaultValue;
  return value === true || (typeof value === "number" && value !== 0);
}
