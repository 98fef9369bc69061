// Discovery messages ↔ wire bytes, by the generated codecs. Resources stay bytes: whoever wants them decodes them.
import type { Codecs } from "../protos.ts";
import { nameInBytes } from "./resource-name.ts";
import { type ReceivedResource, typeNameOf, type XdsRequest, type XdsResponse, type XdsVariant } from "./messages.ts";

const PACKAGE = "envoy.service.discovery.v3";
const RESOURCE = `${PACKAGE}.Resource`;

/** google.rpc.Code.INTERNAL: what Envoy gives with a NACK. */
const INTERNAL = 13;

type Duration = { readonly seconds?: number | null; readonly nanos?: number | null };
type WireAny = { readonly type_url?: string | null; readonly value?: Uint8Array | null };

interface WireResource {
  readonly version?: string | null;
  readonly resource?: WireAny | null;
  readonly name?: string | null;
  readonly ttl?: Duration | null;
  readonly resource_name?: WireName | null;
}

interface WireName {
  readonly name?: string | null;
  readonly dynamic_parameter_constraints?: object | null;
}

interface WireError {
  readonly resource_name?: WireName | null;
  readonly error_detail?: { readonly message?: string | null } | null;
}

interface WireResponse {
  readonly type_url?: string | null;
  readonly nonce?: string | null;
  readonly control_plane?: { readonly identifier?: string | null } | null;
  readonly resource_errors?: readonly WireError[] | null;
  /** State of the world. */
  readonly version_info?: string | null;
  /** Delta. In a state of the world these are bare: google.protobuf.Any. */
  readonly resources?: readonly (WireResource & WireAny)[] | null;
  readonly system_version_info?: string | null;
  readonly removed_resources?: readonly string[] | null;
  readonly removed_resource_names?: readonly WireName[] | null;
}

export class DiscoveryCodec {
  readonly #codecs: Codecs;
  readonly #variant: XdsVariant;
  readonly #node: object;

  /** `node`: core.v3.Node as bytes. */
  constructor(codecs: Codecs, variant: XdsVariant, node: Uint8Array) {
    this.#codecs = codecs;
    this.#variant = variant;
    this.#node = this.#codec("envoy.config.core.v3.Node").decode(node);
  }

  #codec(name: string): NonNullable<ReturnType<Codecs["codec"]>> {
    const codec = this.#codecs.codec(name);
    if (codec === undefined) throw new Error(`no such message: ${name}`);
    return codec;
  }

  /** `withNode`: it is the first message of its stream. */
  encode(request: XdsRequest, withNode: boolean): Uint8Array {
    const common = {
      type_url: request.typeUrl,
      response_nonce: request.nonce,
      ...(withNode ? { node: this.#node } : {}),
      ...(request.errorDetail === undefined ? {} : { error_detail: { code: INTERNAL, message: request.errorDetail } }),
    };
    if (this.#variant === "sotw") {
      const message = { ...common, version_info: request.versionInfo, resource_names: request.names };
      return this.#codec(`${PACKAGE}.DiscoveryRequest`).encode(message).finish();
    }
    const message = {
      ...common,
      resource_names_subscribe: request.names,
      resource_names_unsubscribe: request.unsubscribe,
      initial_resource_versions: Object.fromEntries(request.initialVersions),
    };
    return this.#codec(`${PACKAGE}.DeltaDiscoveryRequest`).encode(message).finish();
  }

  /** Throws if the bytes are no such message. */
  decode(bytes: Uint8Array): XdsResponse {
    return this.#variant === "sotw" ? this.#decodeWhole(bytes) : this.#decodeDelta(bytes);
  }

  #decodeDelta(bytes: Uint8Array): XdsResponse {
    const message: WireResponse = this.#codec(`${PACKAGE}.DeltaDiscoveryResponse`).decode(bytes);
    const removedNames = (message.removed_resource_names ?? []).map((name) => name.name ?? "");
    return {
      ...headOf(message),
      versionInfo: message.system_version_info ?? "",
      resources: (message.resources ?? []).map((resource) => received(resource)),
      removed: [...(message.removed_resources ?? []), ...removedNames],
    };
  }

  #decodeWhole(bytes: Uint8Array): XdsResponse {
    const message: WireResponse = this.#codec(`${PACKAGE}.DiscoveryResponse`).decode(bytes);
    return {
      ...headOf(message),
      versionInfo: message.version_info ?? "",
      resources: (message.resources ?? []).map((any) => this.#unwrap(any)),
      removed: [],
    };
  }

  /** In a state of the world a resource with a time to live comes in a wrapper, and so does its heartbeat. */
  #unwrap(any: WireAny): ReceivedResource {
    if (typeNameOf(any.type_url ?? "") !== RESOURCE) return received({ resource: any });
    return received(this.#codec(RESOURCE).decode(any.value ?? new Uint8Array(0)));
  }
}

function headOf(message: WireResponse): Pick<XdsResponse, "typeUrl" | "nonce" | "identifier" | "unsupported" | "resourceErrors"> {
  const names = [
    ...(message.removed_resource_names ?? []),
    ...(message.resources ?? []).flatMap((resource) => resource.resource_name ?? []),
  ];
  const withConstraints = names.filter((name) => name.dynamic_parameter_constraints);
  return {
    typeUrl: message.type_url ?? "",
    nonce: message.nonce ?? "",
    identifier: message.control_plane?.identifier ?? "",
    unsupported: withConstraints.map((name) => `${name.name ?? ""}: dynamic_parameter_constraints: not implemented`),
    resourceErrors: (message.resource_errors ?? []).map(
      (error) => `${error.resource_name?.name ?? ""}: ${error.error_detail?.message ?? ""}`,
    ),
  };
}

function received(wire: WireResource): ReceivedResource {
  const typeUrl = wire.resource?.type_url ?? "";
  // A view of the message would keep the whole of it for as long as one resource is kept.
  const bytes = wire.resource ? Uint8Array.prototype.slice.call(wire.resource.value ?? new Uint8Array(0)) : undefined;
  const given = wire.resource_name?.name || wire.name || "";
  return {
    name: given !== "" || bytes === undefined ? given : nameInBytes(typeNameOf(typeUrl), bytes),
    version: wire.version ?? "",
    typeUrl,
    bytes: bytes === undefined ? undefined : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    ttlMs: wire.ttl ? Number(wire.ttl.seconds ?? 0) * 1000 + Number(wire.ttl.nanos ?? 0) / 1e6 : undefined,
  };
}
