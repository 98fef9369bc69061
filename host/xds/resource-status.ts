// What became of each resource: the raw material of config_dump and of the status pages.
import type { Json } from "./message.ts";
import type { Problem } from "./problems.ts";
import type { AcceptedResource, ResourceKind } from "./resource-kinds.ts";
import type { ResourceSubscription, SubscriptionStatus } from "./subscription.ts";
import type { WarmingState } from "./snapshot-builder.ts";

export interface ResourceStatus {
  readonly kind: ResourceKind;
  readonly name: string;
  /** "static", or the path of the file. */
  readonly source: string;
  readonly versionInfo: string;
  /** When it was accepted; undefined: never. */
  readonly lastUpdatedMs: number | undefined;
  /** "refused": there is no version of it in force. */
  readonly state: WarmingState | "refused";
  /** proto-JSON of the version in force or warming. */
  readonly json: Json | undefined;
  /** config_dump's error_state: the last attempt, if it failed. */
  readonly error: { readonly versionInfo: string; readonly atMs: number; readonly problems: readonly Problem[] } | undefined;
}

type Subscription = Pick<ResourceSubscription<ResourceKind>, "kind" | "path" | "status" | "resources" | "versionOf">;

export interface StatusInput {
  readonly static: readonly (AcceptedResource<"cluster"> | AcceptedResource<"listener">)[];
  readonly startedAtMs: number;
  readonly subscriptions: readonly Subscription[];
  stateOf(resource: AcceptedResource<"cluster"> | AcceptedResource<"listener">): WarmingState | undefined;
  /** Why a filter config that could be read is not in force: its type is not one that the listener asked for. */
  mismatchOf(resource: AcceptedResource<ResourceKind>): string | undefined;
}

export function describeResources(input: StatusInput): readonly ResourceStatus[] {
  const statics = input.static.map(
    (resource): ResourceStatus => ({
      kind: resource.kind,
      name: resource.name,
      source: "static",
      versionInfo: "",
      lastUpdatedMs: input.startedAtMs,
      state: input.stateOf(resource) ?? "warming",
      json: resource.json,
      error: undefined,
    }),
  );
  return [...statics, ...input.subscriptions.flatMap((subscription) => describeSubscription(subscription, input))];
}

function describeSubscription(subscription: Subscription, input: StatusInput): readonly ResourceStatus[] {
  const { status } = subscription;
  const rows: ResourceStatus[] = [];
  for (const resource of subscription.resources.values()) {
    const mismatch = input.mismatchOf(resource);
    if (mismatch !== undefined) {
      rows.push(describeMismatch(resource, subscription, mismatch));
      continue;
    }
    const version = subscription.versionOf(resource.name);
    const isWarmed = resource.kind === "cluster" || resource.kind === "listener";
    rows.push({
      kind: resource.kind,
      name: resource.name,
      source: subscription.path,
      versionInfo: version.versionInfo,
      lastUpdatedMs: version.updatedAtMs,
      state: isWarmed ? (input.stateOf(resource as AcceptedResource<"cluster">) ?? "warming") : "active",
      json: resource.json,
      error: errorOf(resource.name, status),
    });
  }
  for (const [name, problems] of status.rejected?.resources ?? []) {
    if (subscription.resources.has(name)) continue;
    const { versionInfo, atMs } = status.rejected ?? { versionInfo: "", atMs: 0 };
    rows.push({
      kind: subscription.kind,
      name,
      source: subscription.path,
      versionInfo: "",
      lastUpdatedMs: undefined,
      state: "refused",
      json: undefined,
      error: { versionInfo, atMs, problems },
    });
  }
  return rows;
}

function describeMismatch(resource: AcceptedResource<ResourceKind>, { path, status }: Subscription, reason: string): ResourceStatus {
  return {
    kind: resource.kind,
    name: resource.name,
    source: path,
    versionInfo: "",
    lastUpdatedMs: undefined,
    state: "refused",
    json: undefined,
    error: { versionInfo: status.versionInfo, atMs: status.acceptedAtMs ?? 0, problems: [{ path: "typed_config", reason }] },
  };
}

function errorOf(name: string, status: SubscriptionStatus): ResourceStatus["error"] {
  const problems = status.rejected?.resources.get(name);
  return problems === undefined || status.rejected === undefined
    ? undefined
    : { versionInfo: status.rejected.versionInfo, atMs: status.rejected.atMs, problems };
}
