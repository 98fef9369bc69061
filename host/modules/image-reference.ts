// The name of an image, as Docker and Istio read it: oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST].

export interface ImageReference {
  /** Host and port that is asked. */
  readonly registry: string;
  readonly repository: string;
  /** Undefined where only a digest is given. */
  readonly tag: string | undefined;
  /** Hex; undefined: the tag says which. */
  readonly digest: string | undefined;
}

const dockerHub = "index.docker.io";

/** undefined: not the name of an image. */
export function parseImage(url: string): ImageReference | undefined {
  const [, rest] = /^oci:\/\/(.+)$/i.exec(url) ?? [];
  if (rest === undefined) return undefined;
  const [, path, digest] = /^([^@]+)(?:@sha256:([0-9a-fA-F]{64}))?$/.exec(rest) ?? [];
  if (path === undefined) return undefined;
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  // A first part without a dot or a port is no registry but an account of Docker's.
  const isHost = first === "localhost" || /[.:[]/.test(first);
  const registry = isHost ? first : dockerHub;
  const [, name, tag] = /^([^:]+?)(?::([\w][\w.-]{0,127}))?$/.exec(isHost ? path.slice(slash + 1) : path) ?? [];
  if (name === undefined || !/^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/.test(name)) return undefined;
  if (!URL.canParse(`https://${registry}/`) || new URL(`https://${registry}/`).pathname !== "/") return undefined;
  const isHub = registry === dockerHub || registry === "docker.io";
  return {
    registry: isHub ? dockerHub : registry,
    repository: isHub && !name.includes("/") ? `library/${name}` : name,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest: digest?.toLowerCase(),
  };
}

/** Under which a module is cached: the URL, without what changes from version to version. */
export function cacheName(url: string): string {
  const image = parseImage(url);
  return image === undefined ? url : `oci://${image.registry}/${image.repository}`;
}
