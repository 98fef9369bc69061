// Discovery requests and responses ↔ wire bytes, in both variants of the protocol.
import type { Codecs } from "../protos.ts";
import { typeNameOf } from "../message.ts";
import type { TypeRequest } from "./type-state.ts";
import type { XdsResource } from "./contract.ts";

const PACKAGE = "envoy.service.discovery.v3";

/** google.rpc.Code INTERNAL, which Envoy gives with each NACK. */
const INTERNAL = 13;

export interface DiscoveryMessage {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly versionInfo: string;
  readonly controlPlane: string;
  readonly resources: readonly XdsResource[];
  readonly removed: readonly string[];
  /** Milliseconds after which a resource that has a time to live is gone, by name; one that comes without content begins it anew. */
  readonly lifetimes: ReadonlyMap<string, number>;
}

export class DiscoveryMessages {
  readonly #codecs: Codecs;
  readonly #isDelta: boolean;
  readonly #node: object;

  /** `node`: envoy.config.core.v3.Node as the codec takes it. */
  constructor(codecs: Codecs, isDelta: boolean, node: object) {
    this.#codecs = codecs;
    this.#isDelta = isDelta;
    this.#node = node;
  }

  /** The node goes with the first request of a stream alone. */
  encode(typeUrl: string, request: TypeRequest, isFirst: boolean): Buffer {
    const common = {
      type_url: typeUrl,
      response_nonce: request.nonce,
      ...(isFirst ? { node: this.#node } : {}),
      ...(request.errorDetail === undefined ? {} : { error_detail: { code: INTERNAL, message: request.errorDetail } }),
    };
    const fields = this.#isDelta
      ? {
          resource_names_subscribe: request.subscribe,
          resource_names_unsubscribe: request.unsubscribe,
          initial_resource_versions: request.initialVersions,
        }
      : { version_info: request.versionInfo, resource_names: request.names };
    const codec = this.#codec(this.#isDelta ? "DeltaDiscoveryRequest" : "DiscoveryRequest");
    return Buffer.from(codec.encode(codec.fromObject({ ...common, ...fields })).finish());
  }

  /** Throws what the codec throws for bytes that are no message. */
  decode(bytes: Uint8Array): DiscoveryMessage {
    if (!this.#isDelta) return this.#decodeState(bytes);
    const message = this.#codec("DeltaDiscoveryResponse").decode(bytes) as DeltaResponse;
    const lifetimes = new Map<string, number>();
    const resources: XdsResource[] = [];
    for (const { name, version, resource, ttl } of message.resources) {
      if (ttl !== null && ttl !== undefined) lifetimes.set(name, Number(ttl.seconds) * 1000 + ttl.nanos / 1e6);
      if (resource !== null && resource !== undefined)
        resources.push({ name, version, typeName: typeNameOf(resource.type_url), bytes: resource.value });
    }
    return {
      typeUrl: message.type_url,
      nonce: message.nonce,
      versionInfo: message.system_version_info,
      controlPlane: message.control_plane?.identifier ?? "",
      resources,
      removed: message.removed_resources,
      lifetimes,
    };
  }

  #decodeState(bytes: Uint8Array): DiscoveryMessage {
    const message = this.#codec("DiscoveryResponse").decode(bytes) as StateResponse;
    const lifetimes = new Map<string, number>();
    const resources: XdsResource[] = [];
    for (const any of message.resources) {
      const typeName = typeNameOf(any.type_url);
      if (typeName !== `${PACKAGE}.Resource`) {
        resources.push({ name: "", version: "", typeName, bytes: any.value });
        continue;
      }
      // Wrapped: the only way to give a resource a time to live here.
      const { name, version, resource, ttl } = this.#codec("Resource").decode(any.value) as WrappedResource;
      if (ttl !== null && ttl !== undefined) lifetimes.set(name, Number(ttl.seconds) * 1000 + ttl.nanos / 1e6);
      if (resource !== null && resource !== undefined)
        resources.push({ name, version, typeName: typeNameOf(resource.type_url), bytes: resource.value });
    }
    return {
      typeUrl: message.type_url,
      nonce: message.nonce,
      versionInfo: message.version_info,
      controlPlane: message.control_plane?.identifier ?? "",
      resources,
      removed: [],
      lifetimes,
    };
  }

  #codec(name: string): NonNullable<ReturnType<Codecs["codec"]>> {
    const codec = this.#codecs.codec(`${PACKAGE}.${name}`);
    if (codec === undefined) throw new Error(`${PACKAGE}.${name} is not in protos/`);
    return codec;
  }
}

// As the generated code gives them: every field has a value.

interface AnyMessage {
  readonly type_url: string;
  readonly value: Uint8Array;
}

interface WrappedResource {
  readonly name: string;
  readonly version: string;
  readonly resource?: AnyMessage | null;
  readonly ttl?: { readonly seconds: unknown; readonly nanos: number } | null;
}

interface DeltaResponse {
  readonly type_url: string;
  readonly nonce: string;
  readonly system_version_info: string;
  readonly control_plane?: { readonly identifier: string } | null;
  readonly resources: readonly WrappedResource[];
  readonly removed_resources: readonly string[];
}

interface StateResponse {
  readonly type_url: string;
  readonly nonce: string;
  readonly version_info: string;
  readonly control_plane?: { readonly identifier: string } | null;
  readonly resources: readonly AnyMessage[];
}
