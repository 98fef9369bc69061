// What connections cost: `node dist/test/load/tcp.js [sluice|envoy [CONNECTIONS]]`. Idle ones, in bytes of memory each; one GiB each way, in
// seconds of CPU, with the most memory seen meanwhile. The proxy runs in a process of its own, Envoy if its name is given
// (SLUICE_ENVOY), so that its memory and time are its own.
import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../../host/server/ports.ts";
import { startProxy, usage } from "./proxy-process.ts";

/** Each takes two descriptors in the proxy: `ulimit -n` must allow more than twice as many. */
const IDLE = Number(process.argv[3] ?? 10_000);
const BYTES = 1024 * 1024 * 1024;
const CHUNK = Buffer.alloc(256 * 1024, "x");

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function send(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        left -= CHUNK.length;
        if (!socket.write(CHUNK)) {
          socket.once("drain", more);
          return;
        }
      }
      resolve();
    };
    more();
  });
}

function receive(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let got = 0;
    socket.on("data", (data: Buffer) => {
      got += data.length;
      if (got >= bytes) resolve();
    });
  });
}

function configuration(port: number, admin: number, upstream: number): object {
  const socket = (number: number): object => ({ socket_address: { address: "127.0.0.1", port_value: number } });
  const thresholds = [{ max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 }];
  const proxy = { "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix: "t", cluster: "up" };
  return {
    admin: { address: socket(admin) },
    static_resources: {
      listeners: [{ name: "in", address: socket(port), filter_chains: [{ filters: [{ name: "tcp", typed_config: proxy }] }] }],
      clusters: [
        {
          name: "up",
          connect_timeout: "5s",
          circuit_breakers: { thresholds },
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(upstream) } }] }] },
        },
      ],
    },
  };
}

async function main(): Promise<void> {
  const accepted: Socket[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    accepted.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
  const address = server.address();
  const port = await freePort("127.0.0.1");
  const admin = await freePort("127.0.0.1");
  const upstream = typeof address === "object" && address !== null ? address.port : 0;
  const proxy = startProxy(process.argv[2] === "envoy" ? "envoy" : "sluice", configuration(port, admin, upstream));
  try {
    await run(proxy.pid, port, accepted);
  } finally {
    proxy.stop();
    for (const socket of accepted) socket.destroy();
    server.close();
  }
}

async function run(pid: number, port: number, accepted: Socket[]): Promise<void> {
  const until = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) await sleep(10);
  };
  let first: Socket | undefined;
  while (first === undefined) first = await open(port).catch(() => sleep(50).then(() => undefined));
  await until(() => accepted.length === 1);
  const client = first;
  const upstream = accepted[0];
  client.on("error", () => {});
  for (const [name, from, to] of [
    ["client to upstream", client, upstream],
    ["upstream to client", upstream, client],
  ] as const) {
    const before = usage(pid);
    let most = before.memory;
    const watch = setInterval(() => (most = Math.max(most, usage(pid).memory)), 20);
    const start = performance.now();
    await Promise.all([send(from, BYTES), receive(to, BYTES)]);
    clearInterval(watch);
    const seconds = (performance.now() - start) / 1000;
    const cpu = usage(pid).cpu - before.cpu;
    console.log(
      `1 GiB ${name}: ${seconds.toFixed(2)} s, ${cpu.toFixed(2)} s CPU, memory +${((most - before.memory) / 1048576).toFixed(1)} MiB`,
    );
  }
  upstream.pause();
  const before = usage(pid);
  void send(client, BYTES);
  await sleep(1500);
  console.log(`a stalled reader of 1 GiB: memory +${((usage(pid).memory - before.memory) / 1048576).toFixed(1)} MiB`);
  const idleBefore = usage(pid).memory;
  const idle: Socket[] = [];
  for (let i = 0; i < IDLE; i += 100) idle.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port)))));
  await until(() => accepted.length === IDLE + 1);
  await sleep(500);
  console.log(`${IDLE} idle connections: ${((usage(pid).memory - idleBefore) / IDLE / 1024).toFixed(1)} KiB each, both sides`);
  for (const socket of [...idle, client]) socket.destroy();
}

await main();
