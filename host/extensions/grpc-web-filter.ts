// envoy.filters.http.grpc_web: lets browsers call gRPC (gRPC-Web protocol). The request becomes a gRPC one, out of base64 where it is
// text; the answer's trailers become a last frame of its body. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, PassThroughFilter } from "../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../http/filter.ts";
import { encodeGrpcMessage, grpcStatusOf, isGrpcRequest } from "../http/grpc.ts";
import { frameMessage, framePrefix, GrpcFrameDecoder } from "../http/grpc-frames.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { StatsStore } from "../stats/store.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import { type GrpcMethodStats, GrpcMethodTable, methodOf } from "./grpc-method-stats.ts";

const BINARY_TYPES: readonly string[] = ["application/grpc-web", "application/grpc-web+proto"];
const TEXT_TYPES: readonly string[] = ["application/grpc-web-text", "application/grpc-web-text+proto"];
const FLAG_TRAILERS = 0x80;
/** Of a body that is no gRPC, as much as becomes grpc-message. */
const MAX_PLAIN_BYTES = 16_384;
const NO_BYTES = Buffer.alloc(0);

class GrpcWebFilter extends PassThroughFilter {
  private readonly factory: GrpcWebFactory;
  private readonly callbacks: FilterCallbacks;
  private isWeb = false;
  private isTextRequest = false;
  private isTextResponse = false;
  /** Characters of base64 that are no group of four yet. */
  private undecoded = "";
  /** Frames of the present chunk in base64. */
  private encoded = "";
  private decoder: GrpcFrameDecoder | undefined = undefined;
  /** The headers of an answer that is neither gRPC nor gRPC-Web, held until its body is there. */
  private plainHeaders: HeaderMap | undefined = undefined;
  private stats: GrpcMethodStats | undefined = undefined;

  constructor(factory: GrpcWebFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    const type = headers.get("content-type") ?? "";
    this.isTextRequest = TEXT_TYPES.includes(type);
    this.isWeb = this.isTextRequest || BINARY_TYPES.includes(type);
    if (!this.isWeb) return FilterHeadersStatus.Continue;
    this.callbacks.info.isGrpcWeb = true;
    this.isTextResponse = TEXT_TYPES.includes(headers.get("accept") ?? "");
    this.stats = this.factory.statsOf(this.callbacks.route()?.clusterName, headers.get(":path"));
    // It says how long the text is, not what is sent on.
    headers.remove("content-length");
    headers.set("content-type", "application/grpc");
    headers.set("te", "trailers");
    headers.set("grpc-accept-encoding", "identity");
    return FilterHeadersStatus.Continue;
  }

  override decodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    if (!this.isTextRequest) return FilterDataStatus.Continue;
    const text = this.undecoded + Buffer.from(data.buffer, data.byteOffset, data.byteLength).latin1Slice();
    if (text === "" && endStream) return FilterDataStatus.Continue;
    const whole = text.length - (text.length % 4);
    if (endStream && whole < text.length) return this.refuse("grpc_base_64_decode_failed_bad_size");
    this.undecoded = text.slice(whole);
    if (whole > 0 && !/^[A-Za-z0-9+/]*={0,2}$/.test(text.slice(0, whole))) return this.refuse("grpc_base_64_decode_failed");
    const bytes = Buffer.from(text.slice(0, whole), "base64");
    this.callbacks.decodingBuffer()?.splice(0, Number.MAX_SAFE_INTEGER, bytes);
    return FilterDataStatus.Continue;
  }

  private refuse(details: string): FilterDataStatus {
    this.callbacks.sendLocalReply({ status: 400, body: "Bad gRPC-web request, invalid base64 data.", details });
    return FilterDataStatus.StopIterationNoBuffer;
  }

  override encodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    if (!this.isWeb) return FilterHeadersStatus.Continue;
    this.stats?.charge(headers.get("grpc-status"));
    if (!endStream && this.isPlain(headers)) {
      this.plainHeaders = headers;
      return FilterHeadersStatus.StopIteration;
    }
    this.setContentType(headers);
    return FilterHeadersStatus.Continue;
  }

  private isPlain(headers: HeaderMap): boolean {
    const type = headers.get("content-type") ?? "";
    if (TEXT_TYPES.includes(type) || BINARY_TYPES.includes(type)) return false;
    return headers.get(":status") !== "200" || !isGrpcRequest(headers);
  }

  private setContentType(headers: HeaderMap): void {
    headers.set("content-type", this.isTextResponse ? "application/grpc-web-text+proto" : "application/grpc-web+proto");
  }

  /** A plain answer becomes the headers of a failed call: its status and its text. */
  private translate(headers: HeaderMap, body: Uint8Array): void {
    this.plainHeaders = undefined;
    const text = Buffer.from(body.subarray(0, MAX_PLAIN_BYTES)).latin1Slice();
    headers.set("grpc-message", encodeGrpcMessage(text));
    headers.set("grpc-status", String(grpcStatusOf(Number(headers.get(":status")))));
    headers.remove("content-length");
    headers.add("content-length", "0");
    this.setContentType(headers);
  }

  override encodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    if (!this.isWeb) return FilterDataStatus.Continue;
    if (this.plainHeaders !== undefined) return this.encodePlainData(endStream);
    if (!this.isTextResponse) return FilterDataStatus.Continue;
    this.decoder ??= new GrpcFrameDecoder(this.callbacks.bufferLimit());
    this.decoder.decode(data, this.encodeMessage);
    const text = this.encoded;
    this.encoded = "";
    if (text === "" && !endStream) return FilterDataStatus.StopIterationNoBuffer;
    this.callbacks.encodingBuffer()?.splice(0, Number.MAX_SAFE_INTEGER, Buffer.from(text, "latin1"));
    return FilterDataStatus.Continue;
  }

  private readonly encodeMessage = (message: Uint8Array): boolean => {
    this.encoded += frameMessage(message).toString("base64");
    return true;
  };

  private encodePlainData(endStream: boolean): FilterDataStatus {
    const held = this.callbacks.encodingBuffer();
    if (!endStream) return FilterDataStatus.StopIterationAndBuffer;
    if (this.plainHeaders !== undefined) this.translate(this.plainHeaders, held?.bytes() ?? NO_BYTES);
    held?.splice(0, Number.MAX_SAFE_INTEGER, NO_BYTES);
    return FilterDataStatus.Continue;
  }

  override encodeTrailers(trailers: HeaderMap): FilterTrailersStatus {
    if (!this.isWeb) return FilterTrailersStatus.Continue;
    if (this.plainHeaders !== undefined) {
      const held = this.callbacks.encodingBuffer();
      this.translate(this.plainHeaders, held?.bytes() ?? NO_BYTES);
      held?.splice(0, Number.MAX_SAFE_INTEGER, NO_BYTES);
      return FilterTrailersStatus.Continue;
    }
    this.stats?.charge(trailers.get("grpc-status"));
    const lines = trailers.names.map((name, i) => `${name}:${trailers.values[i]}\r\n`).join("");
    const frame = Buffer.concat([framePrefix(lines.length, FLAG_TRAILERS), Buffer.from(lines, "latin1")]);
    this.callbacks.addEncodedData(this.isTextResponse ? Buffer.from(frame.toString("base64"), "latin1") : frame);
    return FilterTrailersStatus.Continue;
  }
}

export class GrpcWebFactory implements StreamFilterFactory {
  readonly name: string;
  private readonly clusters: ClusterManager;
  private readonly table: GrpcMethodTable;

  constructor(name: string, store: StatsStore, clusters: ClusterManager) {
    this.name = name;
    this.clusters = clusters;
    this.table = new GrpcMethodTable(store, "grpc-web");
  }

  statsOf(clusterName: string | undefined, path: string | undefined): GrpcMethodStats | undefined {
    const cluster = clusterName === undefined ? undefined : this.clusters.get(clusterName);
    const method = methodOf(path);
    if (cluster === undefined || method === undefined) return undefined;
    return this.table.get(cluster.config.altStatName || cluster.config.name, method);
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new GrpcWebFilter(this, callbacks);
  }

  close(): void {}
}
