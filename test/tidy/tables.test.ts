// Tables that have to agree: documents with the code they describe, the SDK with the host, each row with what it must say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RUN_FLAGS } from "../../host/cli/flags.ts";
import { HTTP_FILTERS } from "../../host/extensions/http-filters.ts";
import { NETWORK_FILTERS } from "../../host/extensions/network-filters.ts";
import { describeStat } from "../../host/stats/catalog.ts";
import type { StatKind } from "../../host/stats/store.ts";
import * as abi from "../../host/wasm/abi.ts";
import { ProxyCalls } from "../../host/wasm/host-calls/index.ts";
import { accessLogOperators, documents, render, tableNames, tablesIn } from "./docs.ts";
import { readSource, readSources, report } from "./sources.ts";

test("the tables of the documents are those of the code (npm run docs writes them)", () => {
  const shown: string[] = [];
  for (const path of documents) {
    const { text } = readSource(path);
    shown.push(...tablesIn(text));
    assert.equal(text, render(text), path);
  }
  assert.deepEqual([...shown].sort(), [...tableNames].sort(), "each table stands in one document");
});

test("every flag has help or a reason to be ignored, and a name of its own", () => {
  const silent = RUN_FLAGS.filter((flag) => flag.help === "" && flag.ignored === undefined).map((flag) => flag.name);
  assert.deepEqual(silent, []);
  assert.equal(new Set(RUN_FLAGS.map((flag) => flag.name)).size, RUN_FLAGS.length);
});

test("every HTTP filter says how finished it is and whom it may face", () => {
  for (const row of Object.values(HTTP_FILTERS)) {
    assert.match(row.name, /^(envoy\.filters\.http|istio)\./);
    assert.match(row.status, /^(stable|alpha)$/);
    assert.notEqual(row.securityPosture, "");
  }
});

test("every network filter says how finished it is and whom it may face", () => {
  for (const row of Object.values(NETWORK_FILTERS)) {
    assert.match(row.name, /^(envoy\.filters\.network|istio)\./);
    assert.match(row.status, /^(stable|alpha)$/);
    assert.notEqual(row.securityPosture, "");
  }
});

test("the access log operators were found", () => {
  assert.ok(accessLogOperators().includes("START_TIME"));
});

test("every statistic whose name stands in the code is in the catalogue", () => {
  const use = /\.(counter|gauge|histogram|textReadout)\(\s*(?:"([^"]+)"|`([^`]+)`)/g;
  const findings = readSources(["host"], /\.ts$/).flatMap(({ path, text }) =>
    [...text.matchAll(use)].flatMap(([, kind, literal, template]) => {
      // A name that begins or ends with something computed is its caller's.
      const name = literal ?? template.replaceAll(/\$\{[^}]*\}/g, "x");
      if (template !== undefined && /^\$\{|\}$/.test(template)) return [];
      return describeStat(name, kind === "textReadout" ? "text" : (kind as StatKind)) === undefined
        ? [`${path}: ${kind} ${literal ?? template}`]
        : [];
    }),
  );
  assert.equal(report(findings), "");
});

/** Enums of sdk/abi.ts by name, members by name. */
function sdkEnums(): Map<string, Map<string, number>> {
  const enums = new Map<string, Map<string, number>>();
  for (const [, name, body] of readSource("sdk/abi.ts").text.matchAll(/export const enum (\w+) \{([\s\S]*?)\n\}/g)) {
    const members = [...body.matchAll(/^\s+(\w+) = (-?\d+),/gm)].map((match) => [match[1], Number(match[2])] as const);
    enums.set(name, new Map(members));
  }
  return enums;
}

/** Where the SDK's words are Envoy's and the host's are the specification's. */
const otherEnumName: Readonly<Record<string, string>> = {
  HeadersAction: "FilterHeadersStatus",
  DataAction: "FilterDataStatus",
  TrailersAction: "FilterTrailersStatus",
};
const otherMemberName: Readonly<Record<string, string>> = {
  GrpcReceive: "GrpcReceiveBuffer",
  ForeignFunctionArguments: "CallData",
  GrpcInitialMetadata: "GrpcReceiveInitialMetadata",
  GrpcTrailingMetadata: "GrpcReceiveTrailingMetadata",
};
/** Constants of the host that no filter sees. */
const hostOnly = new Set(["Errno", "AbiMarkers", "TokenKind"]);

test("the SDK's constants are the host's", () => {
  const enums = sdkEnums();
  const findings = Object.entries(abi).flatMap(([name, members]) => {
    if (typeof members !== "object" || hostOnly.has(name)) return [];
    const found = enums.get(otherEnumName[name] ?? name);
    if (found === undefined) return [`${name} is not in sdk/abi.ts`];
    return Object.entries(members).flatMap(([member, value]) => {
      const given = found.get(otherMemberName[member] ?? member);
      return given === value ? [] : [`${name}.${member}: host ${String(value)}, sdk ${String(given)}`];
    });
  });
  assert.equal(report(findings), "");
});

const wasmTypes: Readonly<Record<string, string>> = { u64: "j", i64: "j", f64: "d" };

test("every import of the SDK is a host call with its parameters", () => {
  const declaration = /@external\("env", "(\w+)"\)\s*export declare function \w+\(([^)]*)\): (\w+);/g;
  const imports = [...readSource("sdk/env.ts").text.matchAll(declaration)];
  assert.ok(imports.length > 30, "the declarations were found");
  const findings = imports.flatMap(([, name, parameters, result]) => {
    const call = ProxyCalls[name];
    if (call === undefined) return [`${name} is no host call`];
    const types = [...parameters.matchAll(/: (\w+)/g)].map((match) => wasmTypes[match[1]] ?? "i").join("");
    return types === call.params && result === "u32" ? [] : [`${name}: sdk (${types}) -> ${result}, host (${call.params})`];
  });
  assert.equal(report(findings), "");
});

test("every filter has a README and options that extend the package's", () => {
  const filters = readSources(["filters"], /^filters\/[^/]+\/index\.ts$/).map(({ path }) => path.split("/")[1]);
  assert.ok(filters.length > 0, "the filters were found");
  for (const name of filters) {
    assert.match(readSource(`filters/${name}/README.md`).text, /Fail policy/, `${name}: README.md`);
    const options = JSON.parse(readSource(`filters/${name}/asconfig.json`).text) as { readonly extends?: unknown };
    assert.equal(options.extends, "../../asconfig.json", `${name}: asconfig.json`);
  }
});
