// The module in an image, in each of the layouts that Istio takes (pkg/wasm/imagefetcher.go) and in the newer one of the CNCF:
//   Docker image   the last layer, a gzipped tar, has the file plugin.wasm
//   OCI image      the same, with OCI's media types ("compat")
//   OCI artifact   two layers, one of which is the module
//   CNCF           a layer of the type application/wasm
import { FetchError, type FetchedModule, messageOf } from "./contract.ts";
import { packingBytes } from "./http-fetcher.ts";
import type { ImageReference } from "./image-reference.ts";
import type { Document, RegistryClient } from "./registry-client.ts";
import { fileOfTar } from "./tar.ts";
import { inflate, isGzip, isModule } from "./unbox.ts";

interface Descriptor {
  readonly mediaType: string;
  /** Hex. */
  readonly digest: string;
  readonly size: number;
  readonly os: string;
  readonly architecture: string;
}

const indexTypes = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const imageLayers = [
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar",
];
const artifactLayer = "application/vnd.module.wasm.content.layer.v1+wasm";
const cncfLayer = "application/wasm";
const moduleFile = "plugin.wasm";

/** Which of an index is taken: the first that is there. */
const platforms = ["wasip1/wasm", "wasi/wasm", "wasm/wasm", "linux/amd64"];

const bad = (message: string): FetchError => new FetchError(message, { result: "manifest_failure" });

/** `known`: the module under a digest, where it is at hand: the manifest is all that is asked for then. */
export async function fetchImageModule(
  client: RegistryClient,
  image: ImageReference,
  wanted: string | undefined,
  maxBytes: number,
  known: (digest: string) => Uint8Array | undefined,
): Promise<FetchedModule> {
  const reference = image.digest === undefined ? (image.tag ?? "latest") : `sha256:${image.digest}`;
  const top = await client.manifest(reference, image.digest);
  const chosen = isIndex(top) ? await chooseOf(top, client) : top;
  const digest = wanted !== undefined && wanted === chosen.digest ? chosen.digest : top.digest;
  if (wanted !== undefined && wanted !== digest)
    throw new FetchError(`fetched image has digest ${top.digest}, which does not match: ${wanted}`, { result: "checksum_mismatched" });
  const bytes = known(digest);
  if (bytes !== undefined) return { bytes, digest };
  return { bytes: await moduleOf(chosen, client, maxBytes), digest };
}

function isIndex({ bytes, mediaType }: Document): boolean {
  const { mediaType: inner } = parse(bytes) as { readonly mediaType?: unknown };
  return indexTypes.includes(typeof inner === "string" ? inner : mediaType);
}

async function chooseOf(index: Document, client: RegistryClient): Promise<Document> {
  const entries = descriptorsOf(index.bytes, "manifests");
  const [entry] = [
    ...platforms.flatMap((platform) => entries.filter(({ os, architecture }) => `${os}/${architecture}` === platform)),
    // What an index holds besides images (attestations) has a platform that is none.
    ...entries.filter(({ os }) => os !== "unknown"),
  ];
  if (entry === undefined) throw bad("the image's index has no manifest");
  const manifest = await client.manifest(`sha256:${entry.digest}`, entry.digest);
  if (isIndex(manifest)) throw bad("the image's index names another index");
  return manifest;
}

async function moduleOf({ bytes }: Document, client: RegistryClient, maxBytes: number): Promise<Uint8Array> {
  const layers = descriptorsOf(bytes, "layers");
  const last = layers.at(-1);
  if (last === undefined) throw bad("the image has no layers");
  const limit = maxBytes + packingBytes;
  const bare = layers.find(({ mediaType }) => mediaType === cncfLayer) ?? artifactOf(layers);
  if (bare !== undefined) return checked(await download(client, bare, limit), maxBytes);
  if (!imageLayers.includes(last.mediaType))
    throw bad(
      `invalid media type ${last.mediaType} of the last of ${layers.length} layers (expect ${imageLayers.join(", ")}, or two layers with ${artifactLayer})`,
    );
  const packed = await download(client, last, limit);
  const tar = isGzip(packed) ? await inflate(packed, limit) : packed;
  const file = fileOfTar(tar, moduleFile);
  if (file === undefined) throw bad(`${moduleFile} not found in the archive`);
  return checked(file, maxBytes);
}

function artifactOf(layers: readonly Descriptor[]): Descriptor | undefined {
  const layer = layers.find(({ mediaType }) => mediaType === artifactLayer);
  if (layer !== undefined && layers.length !== 2) throw bad(`number of layers must be 2 but got ${layers.length}`);
  return layer;
}

function download(client: RegistryClient, { digest, size }: Descriptor, limit: number): Promise<Buffer> {
  if (size > limit) throw new FetchError(`the layer has ${size} bytes, more than the ${limit} that are allowed`);
  return client.blob(digest, limit);
}

function checked(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (!isModule(bytes)) throw new FetchError("what was fetched is not a Wasm module");
  if (bytes.length > maxBytes) throw new FetchError(`the module has more than the ${maxBytes} bytes that are allowed`);
  return bytes;
}

function parse(bytes: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw bad(`the image's manifest is not JSON: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null) throw bad("the image's manifest is no object");
  return value;
}

function descriptorsOf(bytes: Buffer, field: "manifests" | "layers"): readonly Descriptor[] {
  const list = (parse(bytes) as Readonly<Record<string, unknown>>)[field];
  if (!Array.isArray(list)) throw bad(`the image's manifest has no ${field}`);
  return (list as readonly unknown[]).map((item) => {
    const { mediaType, digest, size, platform } = (item ?? {}) as Readonly<Record<string, unknown>>;
    const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(String(digest)) ?? [];
    if (hex === undefined || typeof mediaType !== "string" || typeof size !== "number")
      throw bad(`the image's manifest has an entry of ${field} that is no descriptor`);
    const { os, architecture } = (platform ?? {}) as Readonly<Record<string, unknown>>;
    return { mediaType, digest: hex, size, os: String(os ?? ""), architecture: String(architecture ?? "") };
  });
}
