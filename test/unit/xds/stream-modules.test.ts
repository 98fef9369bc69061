// Filter configs from a control plane whose modules have to be fetched: the answer waits, says why it failed, and what comes late applies.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { StatsStore } from "../../../host/stats/store.ts";
import { decodeMessage } from "../../../host/xds/json-decode.ts";
import type { Json } from "../../../host/xds/message.ts";
import { createFileModuleSource } from "../../../host/xds/module-source.ts";
import { Problems } from "../../../host/xds/problems.ts";
import { loadCodecs } from "../../../host/xds/protos.ts";
import { StreamSubscription } from "../../../host/xds/stream-source.ts";
import type { XdsVerdict, XdsWatcher } from "../../../host/xds/streams/contract.ts";
import { SubscriptionStats } from "../../../host/xds/subscription-stats.ts";
import { encodeMessage } from "../../../host/xds/wire-encode.ts";
import { FakeRemote, testServices, types } from "./support.ts";

const typeName = "envoy.config.core.v3.TypedExtensionConfig";
const digest = (letter: string): string => letter.repeat(64);

/** As istiod sends it. */
function filterConfig(name: string, url: string): Uint8Array {
  const code = { remote: { http_uri: { uri: url, cluster: "_", timeout: "30s" } } };
  const config = { name, vm_config: { runtime: "envoy.wasm.runtime.v8", code } };
  const json: Json = { name, typed_config: { "@type": types.wasm, config } };
  return encodeMessage(decodeMessage(typeName, json, "", new Problems()));
}

async function start(t: TestContext) {
  const codecs = await loadCodecs();
  const remote = new FakeRemote();
  let watcher: XdsWatcher | undefined;
  const store = new StatsStore(() => {});
  const subscription = new StreamSubscription({
    kind: "extension_config",
    path: "ads",
    client: {
      subscribe: (_type, _names, given) => {
        watcher = given;
        const status = { versionInfo: "", updatedAtMs: undefined, hasAnswered: true, refusedNames: [], lastRejection: undefined };
        return { setNames: () => undefined, close: () => undefined, status };
      },
      start: () => undefined,
      close: () => undefined,
      status: { isConnected: true, disconnectedSinceMs: undefined, lastError: undefined, reconnects: 0, identifier: "" },
    },
    isWildcard: false,
    services: { ...testServices(), modules: createFileModuleSource(remote) },
    codecs: () => codecs,
    nowMs: () => 0,
    monotonicMs: () => 0,
    clusterNames: () => undefined,
    stats: (prefix) => new SubscriptionStats(store, prefix),
    statPrefix: "extension_config",
    defer: (run) => run(),
    onChange: () => undefined,
  });
  t.after(() => subscription.close());
  subscription.setNames(new Map(["a", "b"].map((name) => [name, `ecds.${name}`])));
  const verdicts: string[] = [];
  const send = (...resources: readonly (readonly [name: string, url: string])[]): void => {
    const update = {
      versionInfo: "",
      isWholeState: false,
      removed: [],
      resources: resources.map(([name, url]) => ({ name, version: "1", typeName, bytes: filterConfig(name, url) })),
    };
    watcher?.onUpdate(update, (verdict: XdsVerdict) => verdicts.push(verdict.ok ? "ACK" : verdict.errorDetail));
  };
  const end = (url: string, answer: Parameters<FakeRemote["end"]>[1]): void => {
    remote.end(url, answer);
    subscription.refresh(true);
  };
  /** "name@first letter of the digest", and what is refused. */
  const shown = (): string => {
    const inForce = [...subscription.resources.values()].map(({ name, config }) =>
      config.kind === "wasm" ? `${name}@${config.plugin.sha256.slice(0, 1)}` : name,
    );
    const refused = [...(subscription.status.rejected?.resources.keys() ?? [])].map((name) => `!${name}`);
    return [...inForce, ...refused].join(" ");
  };
  return { send, end, shown, verdicts, remote, subscription };
}

const [one, two] = ["oci://r.io/f:1", "oci://r.io/f:2"];
const there = (letter: string, url: string): { readonly sha256: string; readonly source: string } => ({
  sha256: digest(letter),
  source: url,
});

test("the answer waits for every module of the update", async (t) => {
  const { send, end, shown, verdicts } = await start(t);
  send(["a", one], ["b", two]);
  end(one, there("1", one));
  assert.deepEqual([shown(), verdicts], ["", []]);
  end(two, there("2", two));
  assert.deepEqual([shown(), verdicts], ["a@1 b@2", ["ACK"]]);
});

test("a first version that cannot be fetched is refused, and in force without its module; it applies when it has come", async (t) => {
  const { send, end, shown, verdicts } = await start(t);
  send(["a", one], ["b", two]);
  end(one, { problem: "cannot fetch: got 404" });
  end(two, there("2", two));
  assert.deepEqual(verdicts, ["a: typed_config.config.vm_config.code.remote: cannot fetch: got 404"]);
  assert.equal(shown(), "b@2 a@ !a");
  end(one, there("1", one));
  assert.equal(shown(), "b@2 a@1");
});

test("the version before serves while the next cannot be fetched, which applies when it has come", async (t) => {
  const { send, end, shown, verdicts } = await start(t);
  send(["a", one]);
  end(one, there("1", one));
  send(["a", two]);
  assert.equal(shown(), "a@1");
  end(two, { problem: "got 503" });
  assert.deepEqual([shown(), verdicts.length], ["a@1 !a", 2]);
  end(one, there("1", one));
  assert.equal(shown(), "a@1 !a");
  end(two, there("2", two));
  assert.equal(shown(), "a@2");
});

test("what was refused and is sent again is refused again, until its module is there", async (t) => {
  const { send, end, shown, verdicts } = await start(t);
  end(one, { problem: "got 404" });
  send(["a", one]);
  send(["a", one]);
  assert.equal(verdicts.filter((verdict) => verdict.includes("got 404")).length, 2);
  assert.equal(shown(), "a@ !a");
  end(one, there("1", one));
  send(["a", one]);
  assert.deepEqual([shown(), verdicts[2]], ["a@1", "ACK"]);
});

test("a module that is asked for anew takes nothing out of force", async (t) => {
  const { send, end, shown } = await start(t);
  send(["a", one]);
  end(one, there("1", one));
  end(one, { pending: one });
  assert.equal(shown(), "a@1");
  end(one, { problem: "gone" });
  assert.equal(shown(), "a@1");
});

test("what is no longer asked for is forgotten, refused or not", async (t) => {
  const { send, end, shown, subscription } = await start(t);
  send(["a", one]);
  end(one, there("1", one));
  send(["a", two]);
  end(two, { problem: "got 404" });
  subscription.setNames(new Map());
  end(two, there("2", two));
  assert.deepEqual([...subscription.resources.keys()], []);
  assert.equal(shown().includes("@"), false);
});
