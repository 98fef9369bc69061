// An HTTP stream with one wasm filter on it: the callbacks record what the filter asked of its chain.
import { BodyBuffer } from "../../../host/base/body-buffer.ts";
import type { WasmFilterFactory } from "../../../host/extensions/wasm/http-filter.ts";
import type { FilterCallbacks, LocalReply, RouteView, StreamFilter } from "../../../host/http/filter.ts";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { type ConnectionInfo, StreamInfo } from "../../../host/http/stream-info.ts";

const connection: ConnectionInfo = {
  connectionId: 7,
  remoteAddress: "10.0.0.1:4000",
  remoteIp: "10.0.0.1",
  remotePort: 4000,
  localAddress: "10.0.0.2:80",
  localIp: "10.0.0.2",
  localPort: 80,
  isLocalAddressRestored: false,
  requestedServerName: "",
  tlsVersion: "",
  mtls: false,
  tls: undefined,
  handshakeMs: undefined,
  dynamicMetadata: undefined,
  directRemoteAddress: "127.0.0.1:1",
  directRemoteIp: "127.0.0.1",
  directLocalAddress: "127.0.0.1:2",
  direction: 1,
  listenerName: "listener",
  filterChainName: "chain",
  listenerMetadata: { istio: { a: 1 } },
};

export class FakeStream implements FilterCallbacks {
  readonly streamId = 1;
  readonly info = new StreamInfo(connection);
  readonly events: string[] = [];
  readonly replies: LocalReply[] = [];
  readonly filter: StreamFilter | undefined;
  readonly request: HeaderMap;
  response: HeaderMap | undefined = undefined;
  requestTrailerMap: HeaderMap | undefined = undefined;
  responseTrailerMap: HeaderMap | undefined = undefined;
  readonly requestBody = new BodyBuffer();
  readonly responseBody = new BodyBuffer();
  /** A local reply passes the response callbacks of the filter, as the chain does it. */
  passReplies = false;

  constructor(factory: WasmFilterFactory, headers: [string, string][] = []) {
    this.request = HeaderMap.from([[":authority", "host.test"], [":path", "/x?q=1"], [":method", "GET"], [":scheme", "http"], ...headers]);
    this.info.requestHeaders = this.request;
    this.info.startTimeMs = 1_700_000_000_000;
    this.filter = factory.createFilter(this);
  }

  decodeHeaders(endStream = true): number | undefined {
    return this.filter?.decodeHeaders(this.request, endStream);
  }

  decodeData(text: string, endStream = true): number | undefined {
    const data = Buffer.from(text, "latin1");
    this.requestBody.append(data);
    return this.filter?.decodeData(data, endStream);
  }

  encodeHeaders(status = "200", endStream = true, headers: [string, string][] = []): number | undefined {
    this.response = HeaderMap.from([[":status", status], ...headers]);
    this.info.responseHeaders = this.response;
    return this.filter?.encodeHeaders(this.response, endStream);
  }

  encodeData(text: string, endStream = true): number | undefined {
    const data = Buffer.from(text, "latin1");
    this.responseBody.append(data);
    return this.filter?.encodeData(data, endStream);
  }

  finish(): void {
    this.filter?.onStreamComplete();
    this.filter?.onDestroy();
  }

  requestHeaders(): HeaderMap {
    return this.request;
  }

  requestTrailers(): HeaderMap | undefined {
    return this.requestTrailerMap;
  }

  responseHeaders(): HeaderMap | undefined {
    return this.response;
  }

  responseTrailers(): HeaderMap | undefined {
    return this.responseTrailerMap;
  }

  continueDecoding(): void {
    this.events.push("continueDecoding");
  }

  continueEncoding(): void {
    this.events.push("continueEncoding");
  }

  decodingBuffer(): BodyBuffer | undefined {
    return this.requestBody.length === 0 ? undefined : this.requestBody;
  }

  encodingBuffer(): BodyBuffer | undefined {
    return this.responseBody.length === 0 ? undefined : this.responseBody;
  }

  addDecodedTrailers(): HeaderMap {
    this.requestTrailerMap = new HeaderMap();
    return this.requestTrailerMap;
  }

  addEncodedTrailers(): HeaderMap {
    this.responseTrailerMap = new HeaderMap();
    return this.responseTrailerMap;
  }

  addEncodedData(): void {
    this.events.push("addEncodedData");
  }
  respond(_headers: HeaderMap, details: string): void {
    this.events.push(`respond ${details}`);
  }
  injectEncodedData(): void {
    this.events.push("injectEncodedData");
  }
  onEncoderWatermark(above: boolean): void {
    this.events.push(`onEncoderWatermark ${above}`);
  }
  sendLocalReply(reply: LocalReply): void {
    this.replies.push(reply);
    if (this.passReplies && this.replies.length === 1) this.encodeHeaders(String(reply.status));
  }

  resetStream(details: string): void {
    this.events.push(`reset ${details}`);
  }

  route(): RouteView | undefined {
    // Attributes read these fields alone.
    const route: Partial<RouteView> = {
      routeName: "route",
      virtualHostName: "vhost",
      clusterName: "web",
      metadata: { ns: { key: "value" } },
    };
    return route as RouteView;
  }

  clearRouteCache(): void {
    this.events.push("clearRouteCache");
  }

  bufferLimit(): number {
    return 1 << 20;
  }
}
