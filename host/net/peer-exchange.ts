// The TCP exchange of Istio's peers: where TLS agreed on a protocol of that name, each side begins with a frame that says who it is.
// Magic 0x3d230467, length, google.protobuf.Any of a Struct with the node's id and its metadata. Who sends no magic exchanges nothing.
// https://github.com/istio/proxy/tree/release-1.30/source/extensions/filters/network/metadata_exchange
import { protobufBytes, readProtobuf } from "../base/protobuf-reader.ts";
import { decodeStruct, encodeStruct, field, type PlainStruct, textField } from "../base/struct-wire.ts";
import type { Node } from "../config/snapshot.ts";
import type { Counter, StatsStore } from "../stats/store.ts";
import { ownWorkload, readWorkload, type Workload, workloadStruct } from "./workload.ts";

const MAGIC = 0x3d230467;
const HEADER_SIZE = 8;
/** A frame has about 1 KiB; who announces more than this is no peer. */
const MAX_FRAME_SIZE = 16_384;

const ID = "x-envoy-peer-metadata-id";
const METADATA = "x-envoy-peer-metadata";

export type PeerFrame =
  | { readonly kind: "more" }
  /** The bytes are the application's. */
  | { readonly kind: "none" }
  | { readonly kind: "too_long" }
  /** `size` bytes are the frame; `workload` is undefined when they do not say who the peer is. */
  | { readonly kind: "frame"; readonly size: number; readonly workload: Workload | undefined };

const MORE: PeerFrame = { kind: "more" };
const NONE: PeerFrame = { kind: "none" };
const TOO_LONG: PeerFrame = { kind: "too_long" };

/** `bytes` are all that came so far. */
export function readPeerFrame(bytes: Uint8Array): PeerFrame {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < Math.min(4, view.length); i++) if (view[i] !== ((MAGIC >>> (24 - 8 * i)) & 0xff)) return NONE;
  if (view.length < HEADER_SIZE) return MORE;
  const length = view.readUInt32BE(4);
  if (length > MAX_FRAME_SIZE) return TOO_LONG;
  if (view.length < HEADER_SIZE + length) return MORE;
  return { kind: "frame", size: HEADER_SIZE + length, workload: readAny(view.subarray(HEADER_SIZE, HEADER_SIZE + length)) };
}

function readAny(bytes: Uint8Array): Workload | undefined {
  const any = readProtobuf(bytes);
  const struct = any === undefined ? undefined : decodeStruct(protobufBytes(any, 2));
  const metadata = struct?.[METADATA];
  return typeof metadata === "object" && metadata !== null ? readWorkload(metadata as PlainStruct, []) : undefined;
}

function makeFrame(node: Node): Uint8Array {
  const struct = encodeStruct({ [METADATA]: decodeStruct(workloadStruct(ownWorkload(node, []))), [ID]: node.id });
  const any = Buffer.concat([textField(1, "type.googleapis.com/google.protobuf.Struct"), field(2, struct)]);
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(any.length, 4);
  return Buffer.concat([header, any]);
}

/** What all exchanges of a worker share: its own frame, and the counters. */
export class PeerExchange {
  readonly frame: Uint8Array;
  readonly protocolFound: Counter;
  readonly protocolNotFound: Counter;
  readonly initialHeaderNotFound: Counter;
  readonly headerNotFound: Counter;
  readonly metadataAdded: Counter;

  constructor(node: Node, stats: StatsStore) {
    this.frame = makeFrame(node);
    this.protocolFound = stats.counter("metadata_exchange.alpn_protocol_found");
    this.protocolNotFound = stats.counter("metadata_exchange.alpn_protocol_not_found");
    this.initialHeaderNotFound = stats.counter("metadata_exchange.initial_header_not_found");
    this.headerNotFound = stats.counter("metadata_exchange.header_not_found");
    this.metadataAdded = stats.counter("metadata_exchange.metadata_added");
  }

  /** Counts how an exchange ended; "more" is no end. */
  count(frame: PeerFrame): void {
    if (frame.kind === "none") this.initialHeaderNotFound.inc();
    else if (frame.kind === "too_long") this.headerNotFound.inc();
    else if (frame.kind === "frame") (frame.workload === undefined ? this.headerNotFound : this.metadataAdded).inc();
  }
}
