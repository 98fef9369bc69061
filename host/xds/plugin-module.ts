// Where the module of a WasmPlugin comes from: url, sha256, imagePullPolicy and imagePullSecret.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ConfigReader } from "../config/extension.ts";
import { type ModuleCode, type PullPolicy, shownUrl } from "../config/module-code.ts";

/** What istiod asks of its agent. */
const timeoutMs = 30_000;
const retries = { count: 4, baseIntervalMs: 500, maxIntervalMs: 10_000 };

const policies = {
  UNSPECIFIED_POLICY: "UNSPECIFIED",
  IfNotPresent: "IF_NOT_PRESENT",
  Always: "ALWAYS",
} as const satisfies Record<string, PullPolicy>;

/** `file` is where the resource stands: relative paths start there. undefined after a refusal. */
export function readModuleCode(reader: ConfigReader, id: string, file: string): ModuleCode | undefined {
  const url = reader.text("url");
  const digest = reader.text("sha256");
  const policy = policies[reader.choice<keyof typeof policies>("image_pull_policy", "UNSPECIFIED_POLICY")];
  const secretName = reader.text("image_pull_secret");
  if (url === "") reader.refuse("url", "value is required");
  if (digest !== "" && !/^[0-9a-fA-F]{64}$/.test(digest)) reader.refuse("sha256", "sha256 field must be 64 hexadecimal digits");
  if (url === "") return undefined;
  const sha256 = digest === "" ? undefined : digest.toLowerCase();
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1].toLowerCase() ?? "";
  if (scheme === "file" || (scheme === "" && /^\.{0,2}\//.test(url)))
    return { kind: "file", path: resolve(dirname(file), url.replace(/^file:\/\//i, "")), sha256 };
  if (!["", "oci", "http", "https"].includes(scheme)) {
    reader.refuse("url", `${scheme}:// is not implemented: give file://, http://, https:// or oci://`);
    return undefined;
  }
  // Istio reads a URL without a scheme as the name of an image.
  const full = scheme === "" ? `oci://${url}` : url;
  if (!URL.canParse(full)) {
    reader.refuse("url", `not a URL: ${shownUrl(full)}`);
    return undefined;
  }
  const pullSecret = secretName === "" ? undefined : readSecret(reader, secretName, file);
  if (secretName !== "" && pullSecret === undefined) return undefined;
  return {
    kind: "remote",
    url: full,
    cluster: undefined,
    sha256,
    timeoutMs,
    retries,
    pullPolicy: policy,
    pullSecret,
    resource: id,
    // A file has no version of its resources: what a resource says of its module is its version.
    resourceVersion: createHash("sha256")
      .update(JSON.stringify([full, digest, policy, pullSecret]))
      .digest("hex")
      .slice(0, 16),
  };
}

/** A Kubernetes secret of the type dockerconfigjson, mounted or written beside the resource in a folder of its name. */
function readSecret(reader: ConfigReader, name: string, file: string): string | undefined {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) {
    reader.refuse("image_pull_secret", "not the name of a secret");
    return undefined;
  }
  const path = join(dirname(file), name, ".dockerconfigjson");
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    reader.refuse("image_pull_secret", `unable to read file: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
