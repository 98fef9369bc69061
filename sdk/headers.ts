// One header map of a message (ABI "HTTP fields"). The object holds no headers: every method asks the host, so what
// other filters did before is seen and nothing is copied that is not asked for. Reading an absent header, or a map that is
// not there in this phase, yields null; writing to one yields false.

import { MapType, WasmResult } from "./abi";
import { ByteString } from "./bytes";
import {
  proxy_add_header_map_value,
  proxy_get_header_map_pairs,
  proxy_get_header_map_value,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_set_header_map_pairs,
} from "./env";
import { HeaderList } from "./header-list";
import { clearSlots, LEN_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT, VALUE_TEXT } from "./text";

/** Access to the headers or trailers of one message. Header names are lower case; pseudo headers such as `:path` are entries like any other. */
@unmanaged
export class Headers {
  /**
   * Which map. The object is its number and lies nowhere: the maps that a filter does not use cost it nothing, and there is
   * nothing to collect.
   */
  private get map(): MapType {
    return <MapType>(changetype<usize>(this) - 1);
  }

  /** The map of a number. */
  @inline
  static of(map: MapType): Headers {
    return changetype<Headers>(<usize>map + 1);
  }

  /** First value of a header as text; null if absent. 1 host call. */
  get(name: string): string | null {
    const ptr = KEY_TEXT.put(name);
    clearSlots();
    if (proxy_get_header_map_value(this.map, ptr, KEY_TEXT.len, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return null;
    const value = takeBuffer();
    return String.UTF8.decode(value);
  }

  /** First value of a header as bytes; null if absent. 1 host call, no text conversion. */
  getBytes(name: ByteString): ByteString | null {
    clearSlots();
    if (proxy_get_header_map_value(this.map, name.ptr, name.length, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return null;
    return ByteString.wrap(takeBuffer());
  }

  /** Every value of a header, in order. 1 host call, which copies the whole map. */
  getAll(name: string): string[] {
    const wanted = ByteString.of(name);
    const list = this.list();
    const values: string[] = [];
    for (let i = 0; i < list.count; i++) {
      if (list.nameAt(i).equals(wanted)) values.push(list.valueAt(i).toString());
    }
    return values;
  }

  /** Whether the header is there. 1 host call. */
  has(name: string): bool {
    const ptr = KEY_TEXT.put(name);
    clearSlots();
    if (proxy_get_header_map_value(this.map, ptr, KEY_TEXT.len, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return false;
    takeBuffer();
    return true;
  }

  /** A copy of the whole map; empty when the map is not there. 1 host call. */
  list(): HeaderList {
    clearSlots();
    if (proxy_get_header_map_pairs(this.map, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return new HeaderList();
    return HeaderList.decode(takeBuffer());
  }

  /** Replaces the whole map. False if the host refuses. 1 host call. */
  replaceAll(list: HeaderList): bool {
    const bytes = list.encode();
    return proxy_set_header_map_pairs(this.map, changetype<usize>(bytes), bytes.byteLength) == WasmResult.Ok;
  }

  /** Sets a header to exactly this value. False if the map cannot be written now. 1 host call. */
  set(name: string, value: string): bool {
    const key = KEY_TEXT.put(name);
    const ptr = VALUE_TEXT.put(value);
    return proxy_replace_header_map_value(this.map, key, KEY_TEXT.len, ptr, VALUE_TEXT.len) == WasmResult.Ok;
  }

  /** As `set`, from bytes. */
  setBytes(name: ByteString, value: ByteString): bool {
    return proxy_replace_header_map_value(this.map, name.ptr, name.length, value.ptr, value.length) == WasmResult.Ok;
  }

  /** Adds one more value, after those that are there. False if the map cannot be written now. 1 host call. */
  add(name: string, value: string): bool {
    const key = KEY_TEXT.put(name);
    const ptr = VALUE_TEXT.put(value);
    return proxy_add_header_map_value(this.map, key, KEY_TEXT.len, ptr, VALUE_TEXT.len) == WasmResult.Ok;
  }

  /** As `add`, from bytes. */
  addBytes(name: ByteString, value: ByteString): bool {
    return proxy_add_header_map_value(this.map, name.ptr, name.length, value.ptr, value.length) == WasmResult.Ok;
  }

  /** Removes every value of a header; true also when there was none. 1 host call. */
  remove(name: string): bool {
    const key = KEY_TEXT.put(name);
    return proxy_remove_header_map_value(this.map, key, KEY_TEXT.len) == WasmResult.Ok;
  }

  /** As `remove`, from bytes. */
  removeBytes(name: ByteString): bool {
    return proxy_remove_header_map_value(this.map, name.ptr, name.length) == WasmResult.Ok;
  }
}

/** Headers of the request; readable until they were forwarded, and in `onLog`. */
export const requestHeaders = Headers.of(MapType.HttpRequestHeaders);
/** Trailers of the request. */
export const requestTrailers = Headers.of(MapType.HttpRequestTrailers);
/** Headers of the response; readable until they were forwarded, and in `onLog`. */
export const responseHeaders = Headers.of(MapType.HttpResponseHeaders);
/** Trailers of the response. */
export const responseTrailers = Headers.of(MapType.HttpResponseTrailers);
/** Headers of the answer to an HTTP call; readable inside `HttpCall.onResponse` only. */
export const callResponseHeaders = Headers.of(MapType.HttpCallResponseHeaders);
/** Trailers of the answer to an HTTP call; readable inside `HttpCall.onResponse` only. */
export const callResponseTrailers = Headers.of(MapType.HttpCallResponseTrailers);
/** What a gRPC stream's peer sent first; readable inside `GrpcStream.onInitialMetadata` only. */
export const grpcInitialMetadata = Headers.of(MapType.GrpcReceiveInitialMetadata);
/** What it sent last; readable inside `GrpcStream.onTrailingMetadata` only. */
export const grpcTrailingMetadata = Headers.of(MapType.GrpcReceiveTrailingMetadata);
