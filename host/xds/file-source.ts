// One subscription to resources in a file: a DiscoveryResponse in YAML or JSON ("xDS API: dynamic configuration from files").
// A file that cannot be read or holds anything wrong is refused as a whole, with its problems, and the resources before stay.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { XdsServices } from "./context.ts";
import { isJsonObject, type Json, typeNameOf } from "./message.ts";
import { joinField, joinIndex, type Problem } from "./problems.ts";
import type { Codecs } from "./protos.ts";
import type { ResourceSubscription, ResourceVersion, SubscriptionStatus } from "./subscription.ts";
import { type AcceptedResource, readResource, type ResourceKind, resourceKinds } from "./resource-kinds.ts";
import { wireToJson } from "./wire.ts";
import { type ReadResult, readDocument, type SourceDocument } from "./yaml-source.ts";

export interface FileSubscriptionOptions<K extends ResourceKind> {
  readonly kind: K;
  readonly path: string;
  readonly services: XdsServices;
  nowMs(): number;
  /** For listeners with a table inside that is to be checked. */
  clusterNames(): ReadonlySet<string> | undefined;
  /** Called for each reading; the result sees every resource that could be read, and may find a problem at a field of it. */
  startCheck?(): (resource: AcceptedResource<K>) => Problem | undefined;
}

const resourceWrapper = "envoy.service.discovery.v3.Resource";

export class FileSubscription<K extends ResourceKind> implements ResourceSubscription<K> {
  readonly kind: K;
  readonly path: string;
  readonly #options: FileSubscriptionOptions<K>;
  #resources: ReadonlyMap<string, AcceptedResource<K>> = new Map();
  #textDigest = "";
  #status: SubscriptionStatus;

  constructor(options: FileSubscriptionOptions<K>) {
    this.kind = options.kind;
    this.path = options.path;
    this.#options = options;
    this.#status = { kind: options.kind, path: options.path, versionInfo: "", acceptedAtMs: undefined, rejected: undefined };
  }

  get resources(): ReadonlyMap<string, AcceptedResource<K>> {
    return this.#resources;
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  setNames(): void {}

  isAbsent(): boolean {
    return false;
  }

  onFetchTimeout(): void {}

  versionOf(): ResourceVersion {
    return { versionInfo: this.#status.versionInfo, updatedAtMs: this.#status.acceptedAtMs };
  }

  close(): void {}

  /** Reads the file again; true: its resources changed. `force`: although its text did not. */
  refresh(force: boolean): boolean {
    let content: Buffer;
    try {
      content = readFileSync(this.path);
    } catch (error) {
      // A file that is being replaced may be gone for a moment; the reason stands in the status until it is back.
      if (this.#textDigest !== "absent")
        this.#reject("", [{ path: "", reason: error instanceof Error ? error.message : String(error) }], new Map());
      this.#textDigest = "absent";
      return false;
    }
    const digest = createHash("sha256").update(content).digest("hex");
    if (digest === this.#textDigest && !force) return false;
    this.#textDigest = digest;
    const read = this.path.endsWith(".pb") ? readBinary(content, this.#options.services.codecs) : readDocument(content.toString());
    if (!read.ok) {
      this.#reject(digest.slice(0, 16), read.problems, new Map());
      return false;
    }
    return this.#apply(read.documents[0], digest.slice(0, 16), force);
  }

  #apply(document: SourceDocument | undefined, digest: string, force: boolean): boolean {
    const response = document?.value ?? {};
    const { resources, versionInfo, problems } = splitResponse(response, resourceKinds[this.kind].typeName);
    const version = versionInfo === "" ? digest : versionInfo;
    const accepted = new Map<string, AcceptedResource<K>>();
    const wrong = new Map<string, readonly Problem[]>();
    const all: Problem[] = [...problems];
    const check = this.#options.startCheck?.();
    for (const { json, path } of resources) {
      const result = this.#read(json, path, force);
      if (!result.ok) {
        wrong.set(result.name, result.problems);
        all.push(...result.problems);
      } else if (accepted.has(result.resource.name)) {
        all.push({ path, reason: `duplicate name '${result.resource.name}' found among resources` });
      } else {
        accepted.set(result.resource.name, result.resource);
        const problem = check?.(result.resource);
        if (problem === undefined) continue;
        const found = { ...problem, path: joinField(path, problem.path) };
        wrong.set(result.resource.name, [found]);
        all.push(found);
      }
    }
    if (all.length > 0) {
      this.#reject(
        version,
        all.map((problem) => document?.locate(problem) ?? problem),
        wrong,
      );
      return false;
    }
    const before = this.#resources;
    const isChanged = before.size !== accepted.size || [...accepted].some(([name, resource]) => before.get(name) !== resource);
    const isNews = isChanged || this.#status.versionInfo !== version || this.#status.acceptedAtMs === undefined;
    const acceptedAtMs = isNews ? this.#options.nowMs() : this.#status.acceptedAtMs;
    this.#status = { ...this.#status, versionInfo: version, acceptedAtMs, rejected: undefined };
    this.#resources = accepted;
    return isChanged;
  }

  /** A resource that did not change stays the same object, so that nothing behind it does any work. */
  #read(json: Json, path: string, force: boolean): ReturnType<typeof readResource<K>> {
    const name = isJsonObject(json) ? json[resourceKinds[this.kind].nameField] : undefined;
    const before = typeof name === "string" ? this.#resources.get(name) : undefined;
    const text = JSON.stringify(json);
    const isSameText = before !== undefined && JSON.stringify(before.json) === text;
    if (before !== undefined && isSameText && !force) return { ok: true, resource: before };
    const result = readResource(this.kind, json, path, this.#options.services, this.#options.clusterNames());
    // Read again by force: only a module behind it may have changed.
    if (result.ok && before !== undefined && isSameText && sameData(before.config, result.resource.config))
      return { ok: true, resource: before };
    // What is in force stays until the new version's modules have come.
    const isIncomplete = result.ok && result.resource.pendingModules.length > 0;
    return isIncomplete && before?.pendingModules.length === 0 ? { ok: true, resource: before } : result;
  }

  #reject(versionInfo: string, problems: readonly Problem[], resources: ReadonlyMap<string, readonly Problem[]>): void {
    this.#status = { ...this.#status, rejected: { versionInfo, atMs: this.#options.nowMs(), problems, resources } };
  }
}

/** A DiscoveryResponse in wire format. */
function readBinary(content: Uint8Array, codecs: Codecs | undefined): ReadResult {
  if (codecs === undefined) return { ok: false, problems: [{ path: "", reason: "not implemented: binary files" }] };
  const result = wireToJson(codecs, "envoy.service.discovery.v3.DiscoveryResponse", content);
  if (!result.ok) return { ok: false, problems: [{ path: "", reason: result.reason }] };
  return { ok: true, documents: [{ value: result.json, locate: (problem) => problem }] };
}

/** Equal as JSON, bytes included (a typed array is written with its elements). */
export function sameData(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

interface Split {
  readonly versionInfo: string;
  readonly resources: readonly { readonly json: Json; readonly path: string }[];
  readonly problems: readonly Problem[];
}

const responseFields = new Set([
  "version_info",
  "versionInfo",
  "resources",
  "type_url",
  "typeUrl",
  "nonce",
  "canary",
  "control_plane",
  "controlPlane",
]);

/** The resources of a DiscoveryResponse as JSON each, without their "@type". */
function splitResponse(response: Json, typeName: string): Split {
  const problems: Problem[] = [];
  if (!isJsonObject(response))
    return { versionInfo: "", resources: [], problems: [{ path: "", reason: "expected a DiscoveryResponse with a list of resources" }] };
  for (const key of Object.keys(response)) if (!responseFields.has(key)) problems.push({ path: key, reason: "no such field" });
  const list = response.resources ?? [];
  if (!Array.isArray(list)) problems.push({ path: "resources", reason: "expected a list" });
  const resources = (Array.isArray(list) ? (list as readonly Json[]) : []).flatMap((item, index) => {
    const path = joinIndex("resources", index);
    const opened = openAny(item, path);
    // Resources may come wrapped, with a name and a version of their own.
    const inner =
      opened.typeName === resourceWrapper && isJsonObject(opened.json)
        ? openAny(opened.json.resource ?? null, joinField(path, "resource"))
        : opened;
    if (inner.typeName === typeName) return [{ json: inner.json, path: inner.path }];
    const got = inner.typeName === "" ? "no @type" : inner.typeName;
    problems.push({ path: joinField(inner.path, "@type"), reason: `expected type.googleapis.com/${typeName}, got ${got}` });
    return [];
  });
  const version = response.version_info ?? response.versionInfo ?? "";
  return { versionInfo: String(version), resources, problems };
}

function openAny(json: Json, path: string): { readonly typeName: string; readonly json: Json; readonly path: string } {
  if (!isJsonObject(json) || typeof json["@type"] !== "string") return { typeName: "", json, path };
  const { "@type": typeUrl, ...rest } = json;
  return { typeName: typeNameOf(typeUrl), json: rest, path };
}
