// A registry's routes for module-server.ts: an image in any layout, and everything that can be wrong with one.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Answer, body } from "./module-server.ts";
import { tar, tarFile } from "./tar.ts";

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

export interface Layer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  ociLayer: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociPlainLayer: "application/vnd.oci.image.layer.v1.tar",
  artifactLayer: "application/vnd.module.wasm.content.layer.v1+wasm",
  artifactConfig: "application/vnd.module.wasm.config.v1+json",
  cncfLayer: "application/wasm",
} as const;

const packed = (module: Uint8Array): Buffer => gzipSync(tar(tarFile("plugin.wasm", module)));

export type Layout = "docker" | "compat" | "artifact" | "cncf" | "plain";

export function layersOf(layout: Layout, module: Uint8Array): readonly Layer[] {
  const other = { mediaType: mediaTypes.ociLayer, bytes: gzipSync(tar(tarFile("etc/hosts", Buffer.from("x")))) };
  switch (layout) {
    case "docker":
      return [
        { mediaType: mediaTypes.dockerLayer, bytes: other.bytes },
        { mediaType: mediaTypes.dockerLayer, bytes: packed(module) },
      ];
    case "compat":
      return [other, { mediaType: mediaTypes.ociLayer, bytes: packed(module) }];
    case "artifact":
      return [
        { mediaType: mediaTypes.artifactConfig, bytes: Buffer.from("{}") },
        { mediaType: mediaTypes.artifactLayer, bytes: module },
      ];
    case "cncf":
      return [{ mediaType: mediaTypes.cncfLayer, bytes: module }];
    case "plain":
      return [{ mediaType: mediaTypes.ociPlainLayer, bytes: tar(tarFile("./plugin.wasm", module)) }];
  }
}

export interface Image {
  readonly manifest: string;
  readonly digest: string;
  readonly routes: Readonly<Record<string, Answer>>;
}

export function image(repository: string, tag: string, layers: readonly Layer[], mediaType: string = mediaTypes.ociManifest): Image {
  const descriptors = layers.map((layer) => ({
    mediaType: layer.mediaType,
    digest: `sha256:${sha256(layer.bytes)}`,
    size: layer.bytes.length,
  }));
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: `sha256:${sha256("{}")}`, size: 2 };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: descriptors });
  const blobs = layers.map((layer) => [`/v2/${repository}/blobs/sha256:${sha256(layer.bytes)}`, body(layer.bytes)] as const);
  return {
    manifest,
    digest: sha256(manifest),
    routes: { ...Object.fromEntries(blobs), ...manifestRoutes(repository, tag, manifest, mediaType) },
  };
}

export function manifestRoutes(repository: string, tag: string, manifest: string, mediaType: string): Readonly<Record<string, Answer>> {
  const digest = `sha256:${sha256(manifest)}`;
  const answer = body(manifest, { "content-type": mediaType, "docker-content-digest": digest });
  return { [`/v2/${repository}/manifests/${tag}`]: answer, [`/v2/${repository}/manifests/${digest}`]: answer };
}

export interface PlatformImage {
  readonly image: Image;
  readonly platform: { readonly os: string; readonly architecture: string };
}

export function index(repository: string, tag: string, images: readonly PlatformImage[]): Image {
  const manifests = images.map(({ image: { manifest, digest }, platform }) => ({
    mediaType: mediaTypes.ociManifest,
    digest: `sha256:${digest}`,
    size: manifest.length,
    platform,
  }));
  const text = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  const inner = Object.assign({}, ...images.map((entry) => entry.image.routes)) as Readonly<Record<string, Answer>>;
  return { manifest: text, digest: sha256(text), routes: { ...inner, ...manifestRoutes(repository, tag, text, mediaTypes.ociIndex) } };
}

/** Everything behind a check of the Authorization field. */
export function guarded(
  routes: Readonly<Record<string, Answer>>,
  isWelcome: (authorization: string) => boolean,
  challenge: string,
): Readonly<Record<string, Answer>> {
  return Object.fromEntries(
    Object.entries(routes).map(([path, answer]) => [
      path,
      (request, response, count) => {
        if (isWelcome(request.headers.authorization ?? "")) answer(request, response, count);
        else response.writeHead(401, { "www-authenticate": challenge }).end();
      },
    ]),
  );
}
