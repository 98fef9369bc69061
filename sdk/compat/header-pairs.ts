// Headers in the shape of the older AssemblyScript SDK: arrays of pairs of buffers, and `stream_context`.

import { ByteString } from "../bytes";
import { HeaderList } from "../header-list";
import {
  callResponseHeaders,
  callResponseTrailers,
  Headers as HeaderMap,
  requestHeaders,
  requestTrailers,
  responseHeaders,
  responseTrailers,
} from "../headers";

/** One header. */
export class HeaderPair {
  constructor(
    public key: ArrayBuffer,
    public value: ArrayBuffer,
  ) {}

  toString(): string {
    return String.UTF8.decode(this.key) + ":" + String.UTF8.decode(this.value);
  }
}

export type Headers = Array<HeaderPair>;

export function makeHeaderPair(key: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(key), String.UTF8.encode(value));
}

/** The same headers as the SDK's own list. */
export function toHeaderList(headers: Headers): HeaderList {
  const list = new HeaderList();
  for (let i = 0; i < headers.length; i++) {
    list.addBytes(ByteString.wrap(headers[i].key), ByteString.wrap(headers[i].value));
  }
  return list;
}

/** One header map. An absent header reads as the empty text. */
export class HeaderStreamManipulator {
  constructor(private map: HeaderMap) {}

  add(key: string, value: string): void {
    this.map.add(key, value);
  }

  replace(key: string, value: string): void {
    this.map.set(key, value);
  }

  get(key: string): string {
    const value = this.map.get(key);
    return value == null ? "" : value;
  }

  remove(key: string): void {
    this.map.remove(key);
  }

  get_headers(): Headers {
    const list = this.map.list();
    const headers: Headers = [];
    for (let i = 0; i < list.count; i++) {
      headers.push(new HeaderPair(list.nameAt(i).toBuffer(), list.valueAt(i).toBuffer()));
    }
    return headers;
  }

  set_headers(headers: Headers): void {
    this.map.replaceAll(toHeaderList(headers));
  }
}

export class HeaderMapManipulator {
  readonly request: HeaderStreamManipulator;
  readonly response: HeaderStreamManipulator;
  readonly http_callback: HeaderStreamManipulator;

  constructor(request: HeaderMap, response: HeaderMap, callback: HeaderMap) {
    this.request = new HeaderStreamManipulator(request);
    this.response = new HeaderStreamManipulator(response);
    this.http_callback = new HeaderStreamManipulator(callback);
  }
}

export class StreamContext {
  readonly headers: HeaderMapManipulator = new HeaderMapManipulator(requestHeaders, responseHeaders, callResponseHeaders);
  readonly trailers: HeaderMapManipulator = new HeaderMapManipulator(requestTrailers, responseTrailers, callResponseTrailers);
}

/** The current stream. */
export const stream_context = new StreamContext();
