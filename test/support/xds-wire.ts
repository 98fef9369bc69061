// Discovery messages from the server's side: requests are read, responses written.
import type { Codecs } from "../../host/xds/protos.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";
import type { Outgoing, SeenRequest, ServedResource } from "./xds-server-model.ts";

const PACKAGE = "envoy.service.discovery.v3";

function codecOf(codecs: Codecs, name: string): NonNullable<ReturnType<Codecs["codec"]>> {
  const codec = codecs.codec(`${PACKAGE}.${name}`);
  if (codec === undefined) throw new Error(`no ${name}`);
  return codec;
}

function anyOf({ typeUrl, bytes }: ServedResource): object {
  return { type_url: typeUrl, value: bytes };
}

function wrapper(resource: ServedResource): object {
  const { name, version, ttlMs } = resource;
  const ttl = ttlMs === undefined ? undefined : { seconds: Math.floor(ttlMs / 1000), nanos: Math.round((ttlMs % 1000) * 1e6) };
  return {
    name,
    version,
    ...(resource.bytes === undefined ? {} : { resource: anyOf(resource) }),
    ...(ttl === undefined ? {} : { ttl }),
  };
}

export function encodeResponse(codecs: Codecs, variant: XdsVariant, response: Outgoing): Buffer {
  const common = { type_url: response.typeUrl, nonce: response.nonce, control_plane: { identifier: "scripted" } };
  if (variant === "delta") {
    const resources = response.resources.map(wrapper);
    const message = { ...common, system_version_info: response.versionInfo, resources, removed_resources: response.removed };
    return Buffer.from(codecOf(codecs, "DeltaDiscoveryResponse").encode(message).finish());
  }
  const wrapped = (resource: ServedResource): object => ({
    type_url: `type.googleapis.com/${PACKAGE}.Resource`,
    value: codecOf(codecs, "Resource").encode(wrapper(resource)).finish(),
  });
  const resources = response.resources.map((one) => (one.ttlMs === undefined && one.bytes !== undefined ? anyOf(one) : wrapped(one)));
  return Buffer.from(
    codecOf(codecs, "DiscoveryResponse")
      .encode({ ...common, version_info: response.versionInfo, resources })
      .finish(),
  );
}

export function readRequest(codecs: Codecs, variant: XdsVariant, bytes: Uint8Array, stream: number): SeenRequest {
  const codec = codecOf(codecs, variant === "delta" ? "DeltaDiscoveryRequest" : "DiscoveryRequest");
  const fields = codec.toObject(codec.decode(bytes), { enums: String, longs: Number });
  const error = fields.error_detail as { readonly message?: string } | undefined;
  return {
    stream,
    typeUrl: (fields.type_url as string | undefined) ?? "",
    names: (fields.resource_names ?? fields.resource_names_subscribe ?? []) as readonly string[],
    unsubscribe: (fields.resource_names_unsubscribe ?? []) as readonly string[],
    initialVersions: (fields.initial_resource_versions ?? {}) as Readonly<Record<string, string>>,
    versionInfo: (fields.version_info as string | undefined) ?? "",
    nonce: (fields.response_nonce as string | undefined) ?? "",
    errorDetail: error === undefined ? undefined : (error.message ?? ""),
    nodeId: fields.node === undefined ? undefined : ((fields.node as { readonly id?: string }).id ?? ""),
  };
}
