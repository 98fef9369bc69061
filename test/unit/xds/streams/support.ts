// The client on a fake transport, driven and read in short words: "+a -b {c=1}", "ack n1", "nack n1: why".
import assert from "node:assert/strict";
import type { XdsSubscription, XdsVerdict } from "../../../../host/xds/streams/contract.ts";
import type { XdsVariant } from "../../../../host/xds/streams/messages.ts";
import type { EndCause } from "../../../../host/xds/streams/transport.ts";
import { createXdsClient } from "../../../../host/xds/streams/client.ts";
import { loadCodecs } from "../../../../host/xds/protos.ts";
import { StatsStore } from "../../../../host/stats/store.ts";
import { FakeTransport } from "../../../support/fake-xds-stream.ts";
import type { SeenRequest, ServedResource } from "../../../support/xds-server-model.ts";
import { manualClock, silentLog } from "../support.ts";

export const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
export const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/** core.v3.Node with the id "me". */
export const NODE = Buffer.from([0x0a, 2, 0x6d, 0x65]);

/** "a=1" → a resource a of version 1; "a=1/500": with a time to live of 500 ms; "a~1/500": its heartbeat. Field 1 holds the name. */
export function resourceOf(text: string, typeUrl: string): ServedResource {
  const [, name, sign, version, ttl] = /^([^=~]*)([=~])([^/]*)(?:\/(\d+))?$/.exec(text) ?? [];
  assert.ok(name !== undefined, text);
  const bytes = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
  return { name, version, typeUrl, bytes: sign === "~" ? undefined : bytes, ttlMs: ttl === undefined ? undefined : Number(ttl) };
}

const words = (text: string): readonly string[] => text.split(" ").filter((word) => word !== "");

export interface ResponseText {
  readonly nonce: string;
  readonly version?: string;
  /** "a=1 b=2" */
  readonly has?: string;
  readonly removed?: string;
  readonly type?: string;
  /** Of the resources, if another one. */
  readonly resourceType?: string;
}

export type Step =
  /** Every message since the last look. */
  | { readonly sent: readonly string[] }
  /** Every update since the last look. */
  | { readonly seen: readonly string[] }
  | { readonly respond: ResponseText }
  | { readonly names: string }
  /** Answers the oldest update: "ok", or "bad a b". */
  | { readonly verdict: string }
  | { readonly end: EndCause }
  | { readonly advance: number }
  | { readonly do: "block" | "unblock" | "close" | "reopen" | "unsubscribe" };

export interface Case {
  readonly name: string;
  readonly variant: XdsVariant;
  /** Names, or "wildcard". */
  readonly subscribe: string;
  readonly steps: readonly Step[];
  /** Updates wait for a verdict step. */
  readonly isSlow?: boolean;
  readonly type?: string;
}

export function describeRequest(request: SeenRequest, variant: XdsVariant): string {
  const versions = Object.entries(request.initialVersions).map(([name, version]) => `${name}=${version}`);
  const parts = [
    request.nodeId === undefined ? "" : "node",
    request.errorDetail === undefined ? "" : `nack: ${request.errorDetail}`,
    variant === "sotw" ? `[${request.names.join(" ")}]` : request.names.map((name) => `+${name}`).join(" "),
    request.unsubscribe.map((name) => `-${name}`).join(" "),
    versions.length === 0 ? "" : `{${versions.sort().join(" ")}}`,
    request.versionInfo === "" ? "" : `v${request.versionInfo}`,
    request.nonce,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

export async function startClient(variant: XdsVariant, isAggregated = true) {
  const codecs = await loadCodecs();
  const transport = new FakeTransport(codecs, variant);
  const clock = manualClock();
  const stats = new StatsStore(() => undefined);
  const client = createXdsClient({
    variant,
    isAggregated,
    node: NODE,
    codecs,
    transport,
    clock,
    random: () => 0.5,
    log: silentLog,
    stats,
    statPrefix: "control_plane",
  });
  client.start();
  return { client, transport, clock, stats };
}

export async function runCase({ variant, subscribe, steps, isSlow = false, type = CLUSTER }: Case): Promise<void> {
  const { client, transport, clock } = await startClient(variant);
  let seen: string[] = [];
  const open: ((verdict: XdsVerdict) => void)[] = [];
  const wanted = (text: string): ReadonlySet<string> | "wildcard" => (text === "wildcard" ? text : new Set(words(text)));
  const begin = (): XdsSubscription =>
    client.subscribe(type, wanted(subscribe), {
      onUpdate: ({ versionInfo, isWholeState, resources, removed }, done) => {
        const has = resources.map((resource) => (resource.version === "" ? resource.name : `${resource.name}=${resource.version}`));
        seen.push([`v${versionInfo}`, isWholeState ? "whole" : "", ...has, ...removed.map((name) => `-${name}`)].filter(Boolean).join(" "));
        if (isSlow) open.push(done);
        else done({ ok: true });
      },
      onRefused: (detail) => seen.push(`refused: ${detail}`),
      onFailure: (cause) => seen.push(`failure: ${cause}`),
    });
  let subscription = begin();
  let looked = transport.last;
  const run = (step: Step): void => {
    if ("sent" in step) {
      looked = transport.last;
      const sent = looked.take().map((request) => describeRequest(request, variant));
      assert.deepEqual(sent, step.sent);
    } else if ("seen" in step) {
      assert.deepEqual(seen, step.seen);
      seen = [];
    } else if ("respond" in step) {
      const { nonce, version = "", has = "", removed = "", type: typeUrl = type, resourceType = typeUrl } = step.respond;
      const resources = words(has).map((text) => resourceOf(text, resourceType));
      transport.last.respond({ typeUrl, nonce, versionInfo: version, resources, removed: words(removed) });
    } else if ("names" in step) {
      subscription.setNames(new Set(words(step.names)));
    } else if ("verdict" in step) {
      const [kind, ...names] = words(step.verdict);
      open.shift()?.(kind === "ok" ? { ok: true } : { ok: false, errorDetail: "bad", rejected: new Set(names) });
    } else if ("end" in step) transport.last.end(step.end);
    else if ("advance" in step) clock.advance(step.advance);
    else if (step.do === "block") transport.last.block();
    else if (step.do === "unblock") transport.last.unblock();
    else if (step.do === "close") client.close();
    else if (step.do === "unsubscribe") subscription.close();
    else subscription = begin();
  };
  for (const [i, step] of steps.entries()) {
    try {
      run(step);
    } catch (error) {
      if (error instanceof Error) error.message = `step ${i} ${JSON.stringify(step)}: ${error.message}`;
      throw error;
    }
  }
}
