// Both ends of TCP connections for tests, and a data plane whose only listener has the network filters of a test.
import { connect, createServer, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Json } from "../../host/xds/message.ts";
import { type ClusterSpec, type Fields, startDataPlane, type TestDataPlane, type TestDataPlaneOptions } from "./data-plane.ts";

const DEADLINE_MS = 5000;

/** One end: what came, how it ended, and a wait for either. */
export class Peer {
  readonly socket: Socket;
  bytes = "";
  byteCount = 0;
  end: "" | "fin" | "reset" = "";
  isClosed = false;
  private waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];

  constructor(socket: Socket, keeps = true) {
    this.socket = socket;
    socket.on("data", (data: Buffer) => {
      this.byteCount += data.length;
      if (keeps) this.bytes += data.latin1Slice();
      this.changed();
    });
    socket.on("end", () => {
      this.end ||= "fin";
      this.changed();
    });
    socket.on("error", () => {
      this.end = "reset";
      this.changed();
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.changed();
    });
  }

  private changed(): void {
    const done = this.waiters.filter((waiter) => waiter.isDone());
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.resolve();
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  async until(isDone: (peer: Peer) => boolean, what: string): Promise<void> {
    if (isDone(this)) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${what} did not happen; got "${this.bytes.slice(0, 200)}" ${this.end}`)), DEADLINE_MS);
      this.waiters.push({ isDone: () => isDone(this), resolve });
    });
    clearTimeout(timer);
  }

  got(text: string): Promise<void> {
    return this.until((peer) => peer.bytes === text, `"${text}"`);
  }

  ended(how: "fin" | "reset"): Promise<void> {
    return this.until((peer) => peer.end === how, how);
  }
}

export class TcpUpstream {
  readonly peers: Peer[] = [];
  private readonly server: Server;
  private waiters: (() => void)[] = [];
  port = 0;

  /** `answer`: what is said to each piece that comes. `isSilent`: nothing is read either. */
  constructor(answer?: (text: string) => string) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new Peer(socket);
      this.peers.push(peer);
      if (answer !== undefined) socket.on("data", (data: Buffer) => peer.send(answer(data.latin1Slice())));
      for (const resolve of this.waiters.splice(0)) resolve();
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    return this;
  }

  async peer(index = 0): Promise<Peer> {
    while (this.peers.length <= index) await new Promise<void>((resolve) => this.waiters.push(resolve));
    return this.peers[index];
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

export function networkFilter(name: string, type: string, fields: Fields = {}): Json {
  return { name, typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.network.${type}`, ...fields } };
}

export const tcpProxy = (fields: Fields = {}): Json =>
  networkFilter("tcp", "tcp_proxy.v3.TcpProxy", {
    stat_prefix: "t",
    ...(fields.weighted_clusters === undefined ? { cluster: "service" } : {}),
    ...fields,
  });

export interface TcpPlane extends TestDataPlane {
  connect(keeps?: boolean): Peer;
}

/** Listener "in" with these filters; all of it goes when the test ends. */
export async function startTcp(
  t: TestContext,
  filters: readonly Json[],
  clusters: readonly ClusterSpec[],
  options: TestDataPlaneOptions & { readonly listener?: Fields } = {},
): Promise<TcpPlane> {
  const listener = { filter_chains: [{ filters }], ...options.listener };
  const plane = await startDataPlane([{ name: "in", listener }], clusters, options);
  const clients: Peer[] = [];
  t.after(async () => {
    for (const client of clients) client.socket.destroy();
    await plane.stop();
  });
  return {
    ...plane,
    connect(keeps = true) {
      const client = new Peer(connect({ port: plane.port("in"), host: "127.0.0.1", allowHalfOpen: true, noDelay: true }), keeps);
      clients.push(client);
      return client;
    },
  };
}

export async function startUpstream(t: TestContext, answer?: (text: string) => string): Promise<TcpUpstream> {
  const upstream = await new TcpUpstream(answer).listen();
  t.after(() => upstream.close());
  return upstream;
}

/** A port at which nothing listens. */
export async function closedPort(): Promise<number> {
  const upstream = await new TcpUpstream().listen();
  await upstream.close();
  return upstream.port;
}
