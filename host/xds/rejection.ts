// What is said of resources that are refused: to the control plane, and in the status of their subscription.
import { formatProblem, type Problem } from "./problems.ts";
import type { ResourceKind } from "./resource-kinds.ts";
import type { SubscriptionStatus } from "./subscription.ts";

/** Of a NACK's error_detail: enough to say what is wrong, small enough for the header limits of any server. */
const MAX_DETAIL = 4096;

/** The resource applies now: it is not to be shown as refused. */
export function withoutRefusal(status: SubscriptionStatus, name: string): SubscriptionStatus {
  const { rejected } = status;
  if (rejected === undefined) return status;
  const resources = new Map([...rejected.resources].filter(([other]) => other !== name));
  if (resources.size === 0) return { ...status, rejected: undefined };
  const problems = rejected.problems.filter(({ path }) => !path.startsWith(`${name}: `));
  return { ...status, rejected: { ...rejected, problems, resources } };
}

const detailHeads: Partial<Record<ResourceKind, string>> = {
  listener: "Error adding/updating listener(s) ",
  cluster: "Error adding/updating cluster(s) ",
};

/** Envoy's words: which resources, and of each what is wrong where. */
export function detailOf(kind: ResourceKind, wrong: ReadonlyMap<string, readonly Problem[]>): string {
  const head = detailHeads[kind] ?? "";
  const lines = [...wrong].map(([name, problems]) => `${name}: ${problems.map(formatProblem).join("; ")}`);
  const text = head + lines.join("\n");
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL)} … (${wrong.size} resources are wrong)`;
}
