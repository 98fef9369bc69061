// How values of several threads become one. Most are shares of a whole and are added up; what every thread sees alike is not.

export type MergeRule = "sum" | "max" | "min";

/** By what a name ends with. */
const RULES: readonly (readonly [ending: RegExp, rule: MergeRule])[] = [
  // Every thread has the same hosts; Envoy counts them once, on its main thread.
  [/^cluster\..*\.membership_(total|healthy|degraded|excluded|change)$/, "max"],
  // Open anywhere is open.
  [/^cluster\..*\.circuit_breakers\.(default|high)\.\w+_open$/, "max"],
  // What the fullest thread still allows.
  [/^cluster\..*\.circuit_breakers\.(default|high)\.remaining_\w+$/, "min"],
];

export function mergeRule(name: string): MergeRule {
  return RULES.find(([ending]) => ending.test(name))?.[1] ?? "sum";
}
