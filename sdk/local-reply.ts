// A reply made by the filter instead of the upstream (ABI "proxy_send_local_response"). Build it once, at configure time,
// and send it as often as needed: the encoded parts are kept.

import { GrpcStatus, WasmResult } from "./abi";
import { ByteString } from "./bytes";
import { proxy_send_local_response } from "./env";
import { HeaderList } from "./header-list";

/** A reply with status, headers and body. Every setter returns the reply. */
export class LocalReply {
  private detailsBytes: ByteString = ByteString.EMPTY;
  private bodyBytes: ByteString = ByteString.EMPTY;
  private headerList: HeaderList | null = null;
  private encoded: ArrayBuffer | null = null;
  private grpc: GrpcStatus = GrpcStatus.None;

  constructor(
    /** HTTP status code. */
    readonly status: u32,
  ) {}

  /** Body as text. The host adds content-length, and content-type `text/plain` unless a header says otherwise. */
  body(text: string): LocalReply {
    return this.bodyFrom(ByteString.of(text));
  }

  /** Body as bytes. */
  bodyFrom(bytes: ByteString): LocalReply {
    this.bodyBytes = bytes;
    return this;
  }

  /** Adds a header. `:status` does not belong here. */
  header(name: string, value: string): LocalReply {
    return this.headerBytes(ByteString.of(name), ByteString.of(value));
  }

  /** Adds a header from bytes. */
  headerBytes(name: ByteString, value: ByteString): LocalReply {
    let list = this.headerList;
    if (list == null) {
      list = new HeaderList();
      this.headerList = list;
    }
    list.addBytes(name, value);
    this.encoded = null;
    return this;
  }

  /** The response code details for access logs; hosts turn blanks into underscores. */
  details(text: string): LocalReply {
    this.detailsBytes = ByteString.of(text);
    return this;
  }

  /** The gRPC status that a gRPC client gets; by default the host derives it from the HTTP status. */
  grpcStatus(status: GrpcStatus): LocalReply {
    this.grpc = status;
    return this;
  }

  /**
   * Answers the current stream after the running callback, which should hold the message (for headers:
   * `FilterHeadersStatus.StopIteration`). Does nothing on a root context. 1 host call.
   */
  send(): bool {
    const pairs = this.pairs();
    const details = this.detailsBytes;
    const body = this.bodyBytes;
    const status = proxy_send_local_response(
      this.status,
      details.ptr,
      details.length,
      body.ptr,
      body.length,
      changetype<usize>(pairs),
      pairs.byteLength,
      this.grpc,
    );
    return status == WasmResult.Ok;
  }

  private pairs(): ArrayBuffer {
    const encoded = this.encoded;
    if (encoded != null) return encoded;
    const list = this.headerList;
    const pairs = list == null ? new ArrayBuffer(0) : list.encode();
    this.encoded = pairs;
    return pairs;
  }
}
