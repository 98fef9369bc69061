// A control plane that does what a test tells it, over real gRPC: aggregated and single streams, delta and state of the world. Clients
// reach it through a relay of TCP bytes, which can be cut, stopped and started again on its port.
import { connect, createServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { decodeMessage } from "../../host/xds/json-decode.ts";
import type { Json } from "../../host/xds/message.ts";
import { formatProblems, Problems } from "../../host/xds/problems.ts";
import { type Codecs, loadCodecs } from "../../host/xds/protos.ts";
import { typeNameOf, type XdsVariant } from "../../host/xds/streams/messages.ts";
import { encodeMessage } from "../../host/xds/wire-encode.ts";
import { ModelStream, type Outgoing, type SeenRequest, XdsServerModel } from "./xds-server-model.ts";
import { encodeResponse, readRequest } from "./xds-wire.ts";

const PACKAGE = "envoy.service.discovery.v3";

const SERVICES: readonly (readonly [service: string, method: string])[] = [
  [`${PACKAGE}.AggregatedDiscoveryService`, "AggregatedResources"],
  ["envoy.service.listener.v3.ListenerDiscoveryService", "Listeners"],
  ["envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters"],
  ["envoy.service.route.v3.RouteDiscoveryService", "Routes"],
  ["envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints"],
  ["envoy.service.secret.v3.SecretDiscoveryService", "Secrets"],
  ["envoy.service.extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs"],
];

export interface RecordedRequest extends SeenRequest {
  readonly method: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly atMs: number;
}

export interface ControlPlaneOptions {
  readonly tls?: { readonly rootCerts?: string; readonly key: string; readonly cert: string };
  /** grpc.max_connection_age_ms, with a grace of a tenth of it. */
  readonly connectionAgeMs?: number;
}

type ServerCall = grpc.ServerDuplexStream<Buffer, Buffer>;

/** Changes what is sent: [] sends nothing, [r, r] sends it twice; a promise delays. */
export type Intercept = (response: Outgoing) => readonly Outgoing[] | Promise<readonly Outgoing[]>;

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const plane = new ControlPlane(await loadCodecs(), options);
  await plane.start();
  return plane;
}

export class ControlPlane {
  readonly #codecs: Codecs;
  readonly #options: ControlPlaneOptions;
  readonly #model = new XdsServerModel();
  readonly #server: grpc.Server;
  readonly #streams = new Map<ServerCall, { readonly stream: ModelStream; readonly variant: XdsVariant }>();
  readonly #requests: RecordedRequest[] = [];
  readonly #sockets = new Set<Socket>();
  #relay: TcpServer | undefined;
  #innerPort = 0;
  #cutAfter = Number.POSITIVE_INFINITY;
  #isUploadPaused = false;
  #waiters: (() => void)[] = [];
  port = 0;
  streamsOpened = 0;
  /** Set by a test; undefined: everything goes out as it is. */
  intercept: Intercept | undefined;
  /** Refuses new streams with this code. */
  refuseWith: { readonly code: grpc.status; readonly details: string } | undefined;

  constructor(codecs: Codecs, options: ControlPlaneOptions) {
    this.#codecs = codecs;
    this.#options = options;
    const age = options.connectionAgeMs;
    this.#server = new grpc.Server({
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      ...(age === undefined ? {} : { "grpc.max_connection_age_ms": age, "grpc.max_connection_age_grace_ms": age / 10 }),
    });
    for (const [service, method] of SERVICES) this.#server.addService(...this.#serviceOf(service, method));
  }

  #serviceOf(service: string, name: string): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation] {
    const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {};
    const handlers: Record<string, (call: ServerCall) => void> = {};
    const same = (bytes: Buffer): Buffer => bytes;
    for (const [prefix, variant] of [
      ["Delta", "delta"],
      ["Stream", "sotw"],
    ] as const) {
      const path = `/${service}/${prefix}${name}`;
      const raw = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
      definition[`${prefix}${name}`] = { path, requestStream: true, responseStream: true, ...raw };
      handlers[`${prefix}${name}`] = (call) => this.#serve(call, path, variant);
    }
    return [definition, handlers];
  }

  async start(): Promise<void> {
    const { tls } = this.#options;
    const pem = (text: string): Buffer => Buffer.from(text);
    const credentials =
      tls === undefined
        ? grpc.ServerCredentials.createInsecure()
        : grpc.ServerCredentials.createSsl(
            tls.rootCerts === undefined ? null : pem(tls.rootCerts),
            [{ private_key: pem(tls.key), cert_chain: pem(tls.cert) }],
            tls.rootCerts !== undefined,
          );
    this.#innerPort = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    await this.#listen();
  }

  // ── Resources ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `message`: proto-JSON. Nothing is sent before push(). */
  set(typeUrl: string, name: string, message: Json): void {
    this.setBytes(typeUrl, name, this.encode(typeUrl, message));
  }

  setBytes(typeUrl: string, name: string, bytes: Uint8Array, ttlMs?: number): void {
    this.#model.set(typeUrl, name, bytes, ttlMs);
  }

  encode(typeUrl: string, message: Json): Uint8Array {
    const problems = new Problems();
    const decoded = decodeMessage(typeNameOf(typeUrl), message, "", problems);
    if (problems.count > 0) throw new Error(formatProblems(problems.list()));
    return encodeMessage(decoded);
  }

  remove(typeUrl: string, name: string): void {
    this.#model.remove(typeUrl, name);
  }

  /** Tells every stream what changed, in the order of the types given; without them, in that of their subscription. */
  push(...typeUrls: readonly string[]): void {
    for (const [call, { stream }] of this.#streams) {
      for (const typeUrl of typeUrls.length > 0 ? typeUrls : stream.types) this.#respond(call, stream.push(typeUrl));
    }
  }

  /** Sends one response as it is given, on every stream that is open. */
  send(response: Partial<Outgoing> & Pick<Outgoing, "typeUrl">): void {
    const rest = { versionInfo: this.#model.version, resources: [], removed: [] };
    for (const [call, { stream }] of this.#streams)
      this.#write(call, { ...rest, stream: stream.id, nonce: this.#model.newNonce(), ...response });
  }

  /** Bytes that need not be a message. */
  sendBytes(bytes: Uint8Array): void {
    for (const call of this.#streams.keys()) call.write(Buffer.from(bytes));
  }

  // ── What came ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  requests(typeUrl?: string): readonly RecordedRequest[] {
    return typeUrl === undefined ? this.#requests : this.#requests.filter((request) => request.typeUrl === typeUrl);
  }

  nacks(typeUrl?: string): readonly RecordedRequest[] {
    return this.requests(typeUrl).filter((request) => request.errorDetail !== undefined);
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Waits until it holds, which is looked at whenever something came in. */
  async until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #notify(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #serve(call: ServerCall, method: string, variant: XdsVariant): void {
    const id = ++this.streamsOpened;
    if (this.refuseWith !== undefined) {
      call.emit("error", this.refuseWith);
      return;
    }
    const stream = new ModelStream(id, this.#model, variant);
    this.#streams.set(call, { stream, variant });
    const metadata = Object.fromEntries(Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]));
    const onOver = (): void => {
      this.#streams.delete(call);
      this.#notify();
    };
    call.on("data", (bytes: Buffer) => {
      const request = { ...readRequest(this.#codecs, variant, bytes, id), method, metadata, atMs: performance.now() };
      this.#requests.push(request);
      this.#respond(call, stream.receive(request));
      this.#notify();
    });
    call.on("cancelled", onOver);
    call.on("error", onOver);
    call.on("end", () => {
      onOver();
      call.end();
    });
  }

  /** The server's own end of every stream: status OK. */
  endStreams(): void {
    for (const call of this.#streams.keys()) call.end();
    this.#streams.clear();
  }

  #respond(call: ServerCall, response: Outgoing | undefined): void {
    if (response === undefined) return;
    if (this.intercept === undefined) {
      this.#write(call, response);
      return;
    }
    void Promise.resolve(this.intercept(response)).then((list) => {
      for (const one of list) this.#write(call, one);
    });
  }

  #write(call: ServerCall, response: Outgoing): void {
    const entry = this.#streams.get(call);
    if (entry !== undefined) call.write(encodeResponse(this.#codecs, entry.variant, response));
  }

  // ── The relay ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): Promise<void> {
    const relay = createServer((client) => this.#relayTo(client));
    this.#relay = relay;
    return new Promise((resolve, reject) => {
      relay.once("error", reject);
      relay.listen(this.port, "127.0.0.1", () => {
        this.port = (relay.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  #relayTo(client: Socket): void {
    const inner = connect(this.#innerPort, "127.0.0.1");
    const both = [client, inner] as const;
    let left = this.#cutAfter;
    this.#cutAfter = Number.POSITIVE_INFINITY;
    for (const socket of both) {
      this.#sockets.add(socket);
      // A cut shows as a reset on either side; what matters is that both go.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    inner.on("data", (bytes) => {
      if (bytes.length <= left) {
        left -= bytes.length;
        if (!client.write(bytes)) inner.pause();
        return;
      }
      client.end(bytes.subarray(0, left), () => client.destroy());
      inner.destroy();
    });
    client.on("drain", () => inner.resume());
    client.on("data", (bytes) => inner.write(bytes));
    if (this.#isUploadPaused) client.pause();
    uploads.set(client, true);
  }

  /** The next connection ends after so many bytes to the client: in the middle of a message, if it is long. */
  cutNextAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  /** Reads no more of what clients send. */
  pauseUpload(isPaused: boolean): void {
    this.#isUploadPaused = isPaused;
    for (const socket of this.#sockets) {
      if (!uploads.has(socket)) continue;
      if (isPaused) socket.pause();
      else socket.resume();
    }
  }

  /** As if the process had died: connections are reset, and new ones refused. */
  async kill(): Promise<void> {
    const relay = this.#relay;
    this.#relay = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    if (relay !== undefined) await new Promise<void>((resolve) => relay.close(() => resolve()));
  }

  /** On the same port, knowing nothing of the streams before. */
  restart(): Promise<void> {
    return this.#listen();
  }

  async close(): Promise<void> {
    await this.kill();
    this.#server.forceShutdown();
  }
}

/** The sockets that lead to clients. */
const uploads = new WeakMap<Socket, true>();
