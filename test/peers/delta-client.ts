// A control plane's client that asks once for each type and looks at what comes, in raw bytes: no subscriptions, no reconnect.
import { Client, credentials } from "@grpc/grpc-js";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { Codecs } from "../../host/xds/protos.ts";

export interface Received {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest";
const RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse";

/** A side-car in namespace default at 1.1.1.1, the address that istiod's own scenarios give their proxy. */
const NODE = {
  id: "sidecar~1.1.1.1~own.default~default.svc.cluster.local",
  cluster: "own.default",
  metadata: {
    fields: Object.fromEntries(
      Object.entries({
        INSTANCE_IPS: "1.1.1.1",
        NAMESPACE: "default",
        SERVICE_ACCOUNT: "default",
        CLUSTER_ID: "Kubernetes",
        ISTIO_VERSION: "1.31.0",
        INTERCEPTION_MODE: "REDIRECT",
      }).map(([key, value]) => [key, { string_value: value }]),
    ),
  },
};

interface Response {
  readonly type_url: string;
  readonly resources?: readonly { readonly name: string; readonly resource?: { readonly value?: Uint8Array } }[];
  readonly nonce: string;
}

export class DeltaClient {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<object, Response>;
  readonly #waiting = new Map<string, (response: Response) => void>();
  #isFirst = true;

  constructor(address: string, codecs: Codecs) {
    const request = codecs.codec(REQUEST);
    const response = codecs.codec(RESPONSE);
    if (request === undefined || response === undefined) throw new Error("the discovery messages are not in protos/");
    this.#client = new Client(address, credentials.createInsecure(), { "grpc.max_receive_message_length": 64 << 20 });
    this.#stream = this.#client.makeBidiStreamRequest(
      METHOD,
      (message: object) => Buffer.from(request.encode(request.fromObject(message)).finish()),
      (bytes) => response.toObject(response.decode(bytes), { enums: String, longs: Number }) as unknown as Response,
    );
    this.#stream.on("data", (message: Response) => this.#waiting.get(message.type_url)?.(message));
    this.#stream.on("error", (error) => {
      if (this.#waiting.size > 0) console.error(String(error));
    });
  }

  async fetch(typeName: string, names: readonly string[]): Promise<readonly Received[]> {
    const typeUrl = `type.googleapis.com/${typeName}`;
    const response = await new Promise<Response>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${typeName} came`)), 20_000);
      this.#waiting.set(typeUrl, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      this.#stream.write({ ...(this.#isFirst ? { node: NODE } : {}), type_url: typeUrl, resource_names_subscribe: names });
      this.#isFirst = false;
    });
    this.#waiting.delete(typeUrl);
    this.#stream.write({ type_url: typeUrl, response_nonce: response.nonce });
    return (response.resources ?? []).map(({ name, resource }) => ({ name, bytes: resource?.value ?? new Uint8Array(0) }));
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}
