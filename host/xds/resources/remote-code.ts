// vm_config.code.remote: as Envoy takes it, from a cluster's endpoints, and as istiod sends it, by URL (cluster "_") with what is to
// be known of image pulls in environment variables of the VM (Istio: pilot/pkg/model/extensions.go).
import type { ConfigReader } from "../../config/extension.ts";
import type { PullPolicy, RemoteCode, RetryTimes } from "../../config/module-code.ts";

/** Istio's agent retries this often; Envoy once. */
const agentRetries: RetryTimes = { count: 4, baseIntervalMs: 500, maxIntervalMs: 10_000 };
const envoyRetries: RetryTimes = { count: 1, baseIntervalMs: 1000, maxIntervalMs: 10_000 };

/** What an older istiod sends where no digest is given; a newer one sends none. */
const noDigest = "nil";

const policies: Readonly<Record<string, PullPolicy>> = {
  "": "UNSPECIFIED",
  UNSPECIFIED_POLICY: "UNSPECIFIED",
  IfNotPresent: "IF_NOT_PRESENT",
  Always: "ALWAYS",
};

/** Says how a module is to be fetched; no module may see it. */
export function isAgentVariable(name: string): boolean {
  return name.startsWith("ISTIO_META");
}

/** undefined after a refusal. */
export function parseRemoteCode(reader: ConfigReader, variables: ConfigReader | undefined, resource: string): RemoteCode | undefined {
  const target = reader.message("http_uri");
  const values = new Map(variables?.textMap("key_values") ?? []);
  const digest = reader.text("sha256");
  const policy = policies[values.get("ISTIO_META_WASM_IMAGE_PULL_POLICY") ?? ""];
  if (policy === undefined)
    variables?.refuse("key_values", "ISTIO_META_WASM_IMAGE_PULL_POLICY must be IfNotPresent, Always or UNSPECIFIED_POLICY");
  if (target === undefined) return undefined;
  const url = target.text("uri");
  const name = target.text("cluster");
  const isByUrl = name === "_";
  const timeoutMs = target.durationMs("timeout");
  const retries = parseRetries(reader.message("retry_policy"), isByUrl ? agentRetries : envoyRetries);
  const problem = checkUrl(url, isByUrl);
  if (problem !== undefined) target.refuse("uri", problem);
  // Envoy takes only what it can check; where the URL is the agent's matter, a tag may say enough.
  const isAnyModule = isByUrl && (digest === "" || digest === noDigest);
  const isDigest = isAnyModule || /^[0-9a-f]{64}$/i.test(digest);
  if (!isDigest)
    reader.refuse("sha256", digest === "" ? "value length must be at least 1 characters" : "sha256 field must be 64 hexadecimal digits");
  if (problem !== undefined || !isDigest || policy === undefined) return undefined;
  return {
    kind: "remote",
    url,
    cluster: isByUrl ? undefined : name,
    sha256: isAnyModule ? undefined : digest.toLowerCase(),
    timeoutMs,
    retries,
    pullPolicy: policy,
    pullSecret: values.get("ISTIO_META_WASM_IMAGE_PULL_SECRET"),
    resource,
    resourceVersion: values.get("ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION") ?? "",
  };
}

function checkUrl(url: string, isByUrl: boolean): string | undefined {
  if (url === "") return undefined;
  if (!URL.canParse(url)) return `not a URL: ${url}`;
  const { protocol } = new URL(url);
  const known = isByUrl ? ["http:", "https:", "oci:"] : ["http:", "https:"];
  return known.includes(protocol) ? undefined : `unsupported Wasm module downloading URL scheme: ${protocol.slice(0, -1)}`;
}

function parseRetries(reader: ConfigReader | undefined, unset: RetryTimes): RetryTimes {
  if (reader === undefined) return unset;
  const backOff = reader.message("retry_back_off");
  const baseIntervalMs = backOff?.optionalDurationMs("base_interval") ?? unset.baseIntervalMs;
  return {
    count: reader.number("num_retries", unset.count),
    baseIntervalMs,
    maxIntervalMs: backOff?.optionalDurationMs("max_interval") ?? (backOff === undefined ? unset.maxIntervalMs : baseIntervalMs * 10),
  };
}
