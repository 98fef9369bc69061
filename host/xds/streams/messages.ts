// Discovery messages in plain form, one for both variants of the protocol, so that the state machines know no protobuf.
// "xDS REST and gRPC protocol", https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol

/** "delta": incremental; "sotw": each response of a wildcard type is the whole state of the world. */
export type XdsVariant = "delta" | "sotw";

export interface XdsRequest {
  readonly typeUrl: string;
  /** Delta: names to add. State of the world: all names that are wanted. */
  readonly names: readonly string[];
  /** Delta alone. */
  readonly unsubscribe: readonly string[];
  /** Delta, first message of a stream: what is known of before. */
  readonly initialVersions: ReadonlyMap<string, string>;
  /** State of the world: of the last accepted response. */
  readonly versionInfo: string;
  /** Of the response that this answers; "": it answers none. */
  readonly nonce: string;
  /** A NACK's reason; undefined: no NACK. */
  readonly errorDetail: string | undefined;
}

export interface ReceivedResource {
  /** "": the resource has none (or its bytes are broken). */
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  /** undefined: a heartbeat, which only lengthens the time to live. */
  readonly bytes: Uint8Array | undefined;
  /** undefined: it lives until it is removed. */
  readonly ttlMs: number | undefined;
}

export interface XdsResponse {
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly nonce: string;
  readonly resources: readonly ReceivedResource[];
  readonly removed: readonly string[];
  /** control_plane.identifier; "": the server does not say. */
  readonly identifier: string;
  /** What the message asks for and this client does not do; the response is refused with it. */
  readonly unsupported: readonly string[];
  /** What the server says of resources that it cannot give: names with reasons. It changes nothing of what is in force. */
  readonly resourceErrors: readonly string[];
}

/** Names of the new form ("xdstp://authority/type/id") need a resolution of authorities, which is not implemented. */
export function isNewStyleName(name: string): boolean {
  return name.startsWith("xdstp://");
}

/** What follows the last slash. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}
