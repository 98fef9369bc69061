// What istiod sends to a sidecar and what Sluice refuses of it: starts istiod's own discovery server on each scenario, takes every
// resource it has, reads it as a control plane's update is read, and prints what was applied and the problems of the rest by number.
//   export SLUICE_PEERS_GO=$(test/peers/peers build); node dist/test/peers/istiod-inventory.js [-v] [SCENARIO…]
// Scenarios: the folders of test/peers/scenarios, and those that istiod measures itself with (they come with its Go module).
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../host/server/ports.ts";
import { createXdsServices } from "../../host/server/xds-services.ts";
import { formatProblems } from "../../host/xds/problems.ts";
import { type Codecs, loadCodecs } from "../../host/xds/protos.ts";
import { type ResourceKind, readResource, resourceKinds } from "../../host/xds/resource-kinds.ts";
import { wireToJson } from "../../host/xds/wire.ts";
import { DeltaClient, type Received } from "./delta-client.ts";

const OWN = new URL("../../../test/peers/scenarios/", import.meta.url).pathname;
const BENCHMARKS =
  "http tcp tls strict auto disabled externalname serviceentry-workloadentry virtualservice authorizationpolicy telemetry-api".split(" ");
const SERVICES = 5;
const INSTANCES = 10;

/** istiod's benchmark files are Go templates with loops over numbers, which is all that this knows. */
function render(text: string): string {
  const expanded = text.replace(
    /\{\{- range \$(\w) := until \.(\w+) \}\}([\s\S]*?)\{\{- end \}\}/g,
    (_, name: string, what: string, body: string) =>
      Array.from({ length: what === "Services" ? SERVICES : INSTANCES }, (_item, index) =>
        body.replace(
          /\{\{\s*(?:(div|mod) )?\$(\w)(?: (255|\$\.Services)\s*)?\s*\}\}/g,
          (whole, operation: string | undefined, variable: string, by: string) => {
            if (variable !== name) return whole;
            const divisor = by === "255" ? 255 : SERVICES;
            return String(operation === undefined ? index : operation === "div" ? Math.floor(index / divisor) : index % divisor);
          },
        ),
      ).join(""),
  );
  if (expanded.includes("{{")) throw new Error(`a template that is not known: ${/\{\{.*/.exec(expanded)?.[0]}`);
  return expanded;
}

function scenarioFolder(name: string, go: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-inventory-"));
  if (existsSync(join(OWN, name))) cpSync(join(OWN, name), folder, { recursive: true });
  else {
    const istio = execFileSync("go", ["list", "-mod=mod", "-m", "-f", "{{.Dir}}", "istio.io/istio"], {
      cwd: join(go, "src"),
      encoding: "utf8",
    }).trim();
    writeFileSync(
      join(folder, "config.yaml"),
      render(readFileSync(join(istio, "pilot/pkg/xds/testdata/benchmarks", `${name}.yaml`), "utf8")),
    );
    mkdirSync(join(folder, "k8s"));
  }
  return folder;
}

async function startIstiod(folder: string, port: number, go: string): Promise<ChildProcess> {
  const child = spawn(join(go, "mesh"), ["-config", folder, "-listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "ignore"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (text: Buffer) => text.includes(`ready 127`) && resolve());
    child.on("exit", (code) => reject(new Error(`istiod ended: ${code}`)));
  });
  return child;
}

interface Finding {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly problems: readonly string[];
}

function read(kind: ResourceKind, { name, bytes }: Received, codecs: Codecs): { finding: Finding; json: unknown } {
  const decoded = wireToJson(codecs, resourceKinds[kind].typeName, bytes);
  if (!decoded.ok) return { finding: { kind, name, problems: [decoded.reason] }, json: undefined };
  const result = readResource(kind, decoded.json, "", { ...createXdsServices(), codecs }, undefined);
  const problems = result.ok ? [] : result.problems.map((problem) => formatProblems([problem]));
  return { finding: { kind, name, problems }, json: decoded.json };
}

/** Every string at `field` anywhere in a resource. */
function collect(json: unknown, field: string, found: Set<string>): void {
  if (typeof json !== "object" || json === null) return;
  for (const [key, value] of Object.entries(json)) {
    if (key === field && typeof value === "string") found.add(value);
    else collect(value, field, found);
  }
}

async function inventory(scenario: string, go: string, codecs: Codecs, dump: boolean): Promise<readonly Finding[]> {
  const folder = scenarioFolder(scenario, go);
  const port = await freePort("127.0.0.1");
  const istiod = await startIstiod(folder, port, go);
  const client = new DeltaClient(`127.0.0.1:${port}`, codecs);
  const findings: Finding[] = [];
  const readAll = (kind: ResourceKind, received: readonly Received[]): unknown[] =>
    received.map((resource) => {
      const { finding, json } = read(kind, resource, codecs);
      findings.push(finding);
      if (dump) console.log(JSON.stringify({ kind, name: resource.name, json }));
      return json;
    });
  try {
    const clusters = readAll("cluster", await client.fetch(resourceKinds.cluster.typeName, ["*"]));
    const isEds = (json: unknown): boolean => typeof json === "object" && json !== null && "eds_cluster_config" in json;
    const edsNames = new Set<string>();
    collect(clusters.filter(isEds), "service_name", edsNames);
    if (edsNames.size > 0) readAll("endpoints", await client.fetch(resourceKinds.endpoints.typeName, [...edsNames]));
    const listeners = readAll("listener", await client.fetch(resourceKinds.listener.typeName, ["*"]));
    const routes = new Set<string>();
    collect(listeners, "route_config_name", routes);
    if (routes.size > 0) readAll("route_configuration", await client.fetch(resourceKinds.route_configuration.typeName, [...routes]));
    const extensions = new Set<string>(
      [...JSON.stringify(listeners).matchAll(/"name":"(extensions\.istio\.io[^"]*)"/g)].map((match) => match[1]),
    );
    if (extensions.size > 0) readAll("extension_config", await client.fetch(resourceKinds.extension_config.typeName, [...extensions]));
  } finally {
    client.close();
    istiod.kill();
    rmSync(folder, { recursive: true });
  }
  return findings;
}

/** The same problem of many resources is one line: numbers of lists do not matter. */
function report(scenario: string, findings: readonly Finding[]): void {
  const refused = findings.filter((finding) => finding.problems.length > 0);
  console.log(`${scenario}: ${findings.length} resources, ${findings.length - refused.length} applied, ${refused.length} refused`);
  const byProblem = new Map<string, Set<string>>();
  for (const { kind, name, problems } of refused) {
    for (const problem of problems) {
      const key = `${kind}: ${problem.replaceAll(/\[\d+\]/g, "[]")}`;
      byProblem.set(key, (byProblem.get(key) ?? new Set()).add(name));
    }
  }
  for (const [problem, names] of [...byProblem].sort((a, b) => b[1].size - a[1].size)) {
    console.log(`  ${String(names.size).padStart(4)}  ${problem.slice(0, 300)}   (${[...names][0]})`);
  }
}

const go = process.env.SLUICE_PEERS_GO;
if (go === undefined) throw new Error("SLUICE_PEERS_GO must name the folder that test/peers/peers build prints");
const args = process.argv.slice(2);
const named = args.filter((arg) => arg !== "-v");
const codecs = await loadCodecs();
for (const scenario of named.length === 0 ? ["sidecar", ...BENCHMARKS] : named) {
  report(scenario, await inventory(scenario, go, codecs, args.includes("-v")));
}
