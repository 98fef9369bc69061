// Who may import whom. The table is the architecture: an arrow that is not in it fails with the file, the line and the arrow.
// Adding one is a decision; write it into ARCHITECTURE.md too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readSources, report, type Source } from "./sources.ts";

/** Folder of host → the folders it may import, itself aside. Lowest first; "protos" is the generated code. */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ["base"],
  stats: ["base"],
  net: ["base", "config", "stats"],
  http: ["base", "config", "stats", "net"],
  http1: ["base", "config", "stats", "net", "http"],
  // The grammar of fields, lengths and authorities is HTTP/1.1's.
  http2: ["base", "config", "stats", "net", "http", "http1"],
  // No HTTP, no sockets, no xDS: a stream is what wasm/services.ts says of it.
  wasm: ["base", "config", "stats"],
  upstream: ["base", "config", "stats", "net", "http", "http1", "http2"],
  router: ["base", "config", "stats", "net", "http", "upstream"],
  // The only place where wasm meets HTTP.
  extensions: ["base", "config", "stats", "net", "http", "http1", "http2", "wasm", "upstream", "router"],
  // Fetches modules; knows no configuration but where a module is.
  modules: ["base", "config", "stats"],
  // Gets the extensions' parsers and the modules as interfaces of config/extension.ts.
  xds: ["base", "config", "stats", "protos"],
  // Gets read-only views.
  admin: ["base", "config", "stats"],
  server: [
    "base",
    "config",
    "stats",
    "net",
    "http",
    "http1",
    "http2",
    "wasm",
    "upstream",
    "router",
    "extensions",
    "modules",
    "xds",
    "admin",
  ],
  cli: ["base", "config", "stats", "xds", "server"],
  main: ["cli", "server"],
  // The library for programs that embed the host.
  index: ["server", "xds"],
};

/** Packages outside of Node that a folder may use. */
const packages: Readonly<Record<string, readonly string[]>> = {
  base: ["re2js"],
  // Patterns of tags, which have groups: RE2's own engine.
  stats: ["re2js"],
  net: ["koffi"],
  // protobufjs writes the wire format that its generated code reads; streams from a control plane are gRPC.
  xds: ["@grpc/grpc-js", "protobufjs", "yaml"],
  server: ["pino"],
};

/** "host/http/codec.ts" → "http", "host/main.ts" → "main"; undefined: not in host. */
function folderOf(path: string): string | undefined {
  const [top, folder, rest] = path.split("/");
  if (top === "protos") return "protos";
  if (top !== "host") return undefined;
  return rest === undefined ? folder.replace(/\.[cm]?[jt]s$/, "") : folder;
}

function hostArrows(source: Source): string[] {
  const from = folderOf(source.path) ?? "";
  const allowed = layers[from];
  if (allowed === undefined) return [`${source.path}: host/${from} is not in the table of layers`];
  return importsOf(source).flatMap(({ line, target }) => {
    const place = `${source.path}:${line}`;
    if (target.startsWith("node:")) return [];
    const to = folderOf(target);
    if (to === undefined) {
      if (/^(sdk|filters|test|dist)\//.test(target)) return [`${place}: host/${from} -> ${target}`];
      const name = target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/");
      return (packages[from] ?? []).includes(name) ? [] : [`${place}: host/${from} -> package ${name}`];
    }
    return to === from || allowed.includes(to) ? [] : [`${place}: host/${from} -> ${to === "protos" ? "protos" : `host/${to}`}`];
  });
}

test("imports in host go down the layers", () => {
  const sources = readSources(["host"], /\.ts$/);
  assert.ok(sources.length > 50, "the sources were found");
  assert.equal(report(sources.flatMap(hostArrows)), "");
});

test("the layers have no way back up", () => {
  const below = new Map(Object.entries(layers));
  const cycles = [...below.keys()].filter((start) => {
    const seen = new Set<string>();
    const open = [...(below.get(start) ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...(below.get(next) ?? []));
    }
    return seen.has(start);
  });
  assert.deepEqual(cycles, []);
});

test("only host/xds/protos.ts reads generated code", () => {
  const readers = readSources(["host"], /\.ts$/).filter((source) => importsOf(source).some(({ target }) => target.startsWith("protos/")));
  assert.deepEqual(
    readers.map((source) => source.path),
    ["host/xds/protos.ts"],
  );
});

test("guests import the SDK and their own folder, and nothing of the host", () => {
  const guests = [...readSources(["sdk"], /\.ts$/), ...readSources(["filters"], /^filters\/[^/]+\/.*\.ts$/)];
  const findings = guests.flatMap((source) => {
    const home = source.path.startsWith("sdk/") ? "sdk/" : source.path.split("/").slice(0, 2).join("/");
    return (
      importsOf(source)
        // "rt/…" is the compiler's own runtime.
        .filter(({ target }) => !target.startsWith("sluice/sdk") && !target.startsWith("rt/") && !target.startsWith(home))
        .map(({ line, target }) => `${source.path}:${line}: -> ${target}`)
    );
  });
  assert.equal(report(findings), "");
});

test("nothing imports a test", () => {
  const findings = readSources(["host", "sdk", "filters", "protos"], /\.(ts|mjs)$/).flatMap((source) =>
    importsOf(source)
      .filter(({ target }) => target.startsWith("test/"))
      .map(({ line, target }) => `${source.path}:${line}: -> ${target}`),
  );
  assert.equal(report(findings), "");
});

// Values of config cross to the workers by structured clone, which takes no functions and forgets classes.
test("config is plain data", () => {
  const findings = readSources(["host/config"], /\.ts$/)
    // The interfaces by which readers of configuration are handed in; no value of these types is part of a snapshot.
    .filter((source) => source.path !== "host/config/extension.ts")
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .map((line, index) => ({ line, place: `${path}:${index + 1}` }))
        .filter(
          ({ line }) =>
            /^\s*(export )?(abstract )?class /.test(line) || /^\s+(readonly )?\w+\??(: \(.*\) =>|\([^)]*\): [^=]*;$)/.test(line),
        )
        .map(({ line, place }) => `${place}: ${line.trim()}`),
    );
  assert.equal(report(findings), "");
});

// The client of a control plane knows no resource: what it needs of its folder is named here.
test("streams see the clock and the codecs of xds, and the configuration sees of streams the contract", () => {
  const sources = readSources(["host"], /\.ts$/);
  const inside = (path: string): boolean => path.startsWith("host/xds/streams/");
  const allowed = ["host/xds/clock", "host/xds/protos"];
  const findings = sources.flatMap((source) =>
    importsOf(source)
      .filter(({ target }) => {
        const name = target.replace(/\.[jt]s$/, "");
        if (inside(source.path)) return name.startsWith("host/xds/") && !inside(`${name}.ts`) && !allowed.includes(name);
        return source.path.startsWith("host/xds/") && inside(`${name}.ts`) && name !== "host/xds/streams/contract";
      })
      .map(({ line, target }) => `${source.path}:${line}: -> ${target}`),
  );
  assert.equal(report(findings), "");
});
