// Active health checks against real servers: what each kind asks, and which answers pass. The clusters are read from Envoy's messages.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createServer2 } from "node:http2";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { test } from "node:test";
import { Clock } from "../../../host/base/clock.ts";
import { systemRandom, systemTime } from "../../../host/base/system.ts";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { HealthChecks } from "../../../host/server/health-checks.ts";
import { StatsStore } from "../../../host/stats/store.ts";
import type { Json } from "../../../host/xds/message.ts";
import { makeSnapshot } from "../../support/data-plane.ts";

const THRESHOLDS = { timeout: "2s", interval: "0.02s", no_traffic_interval: "0.02s", unhealthy_threshold: 1, healthy_threshold: 1 };

interface Case {
  readonly name: string;
  readonly check: Json;
  readonly http2?: boolean;
  readonly server: () => Server;
  readonly passes: boolean;
  /** Fields of the cluster and of the endpoint. */
  readonly cluster?: Record<string, Json>;
}

const http =
  (status: number, headers: Record<string, string> = {}, sees: (path: string, host: string, agent: string) => boolean = () => true) =>
  (): Server =>
    createServer((request, response) => {
      const good = sees(request.url ?? "", request.headers.host ?? "", request.headers["user-agent"] ?? "");
      response.writeHead(good ? status : 418, headers).end("x");
    });

const tcp = (answer: string | undefined) => (): Server =>
  createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (answer === undefined) socket.destroy();
    else socket.on("data", (data) => socket.write(`${answer}${data.toString("latin1")}`));
  });

const grpc =
  (status: number, serving: number, sees: (body: Buffer) => boolean = () => true) =>
  (): Server => {
    const server = createServer2();
    server.on("stream", (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("error", () => {}); // the probe may be gone
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const good = headers[":path"] === "/grpc.health.v1.Health/Check" && sees(Buffer.concat(chunks));
        stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(good ? status : 12) }));
        stream.end(serving === 0 ? Buffer.from([0, 0, 0, 0, 0]) : Buffer.from([0, 0, 0, 0, 2, 8, serving]));
      });
    });
    return server as unknown as Server;
  };

const CASES: readonly Case[] = [
  {
    name: "HTTP 200",
    check: { http_health_check: { path: "/ok" } },
    server: http(200, {}, (path, host, agent) => path === "/ok" && host === "service" && agent === "Envoy/HC"),
    passes: true,
  },
  { name: "HTTP 503", check: { http_health_check: { path: "/" } }, server: http(503), passes: false },
  {
    name: "HTTP 204 when expected",
    check: { http_health_check: { path: "/", expected_statuses: [{ start: 200, end: 300 }] } },
    server: http(204),
    passes: true,
  },
  {
    name: "HTTP with a host of its own",
    check: { http_health_check: { path: "/", host: "h.example" } },
    server: http(200, {}, (_path, host) => host === "h.example"),
    passes: true,
  },
  {
    name: "HTTP by the right cluster",
    check: { http_health_check: { path: "/", service_name_matcher: { prefix: "serv" } } },
    server: http(200, { "x-envoy-upstream-healthchecked-cluster": "service-a" }),
    passes: true,
  },
  {
    name: "HTTP by another cluster",
    check: { http_health_check: { path: "/", service_name_matcher: { prefix: "serv" } } },
    server: http(200),
    passes: false,
  },
  {
    name: "HTTP over HTTP/2",
    check: { http_health_check: { path: "/", codec_client_type: "HTTP2" } },
    server: () => createServer2((_request, response) => response.end("x")) as unknown as Server,
    passes: true,
  },
  { name: "HTTP to a port that closes", check: { http_health_check: { path: "/" } }, server: tcp(undefined), passes: false },
  { name: "TCP connect", check: { tcp_health_check: {} }, server: tcp(""), passes: true },
  {
    name: "TCP with the right answer",
    check: { tcp_health_check: { send: { text: "6869" }, receive: [{ text: "6f" }, { text: "6b" }, { text: "6869" }] } },
    server: tcp("o-k-"),
    passes: true,
  },
  {
    name: "gRPC serving",
    http2: true,
    check: { grpc_health_check: {} },
    server: grpc(0, 1, (body) => body.equals(Buffer.from([0, 0, 0, 0, 0]))),
    passes: true,
  },
  {
    name: "gRPC names its service",
    http2: true,
    check: { grpc_health_check: { service_name: "svc" } },
    server: grpc(0, 1, (body) => body.equals(Buffer.from("\0\0\0\0\x05\x0a\x03svc", "latin1"))),
    passes: true,
  },
  { name: "gRPC not serving", http2: true, check: { grpc_health_check: {} }, server: grpc(0, 2), passes: false },
  { name: "gRPC without a status", http2: true, check: { grpc_health_check: {} }, server: grpc(0, 0), passes: false },
  { name: "gRPC error", http2: true, check: { grpc_health_check: {} }, server: grpc(14, 1), passes: false },
];

class Rig {
  readonly stats = new StatsStore(() => {});
  readonly checks: HealthChecks;
  private changed: () => void = () => {};

  constructor() {
    this.checks = new HealthChecks({
      clock: new Clock(systemTime),
      random: systemRandom,
      stats: this.stats,
      hasTraffic: () => false,
      onChange: () => this.changed(),
    });
  }

  async until(snapshot: Snapshot, isDone: () => boolean): Promise<boolean[]> {
    for (;;) {
      const failed = failedOf(this.checks.decorate(snapshot));
      if (isDone()) return failed;
      await new Promise<void>((resolve) => {
        this.changed = resolve;
        setTimeout(resolve, 50);
      });
    }
  }
}

function failedOf(snapshot: Snapshot): boolean[] {
  return snapshot.clusters[0].endpoints.flatMap((locality) => locality.endpoints.map((endpoint) => endpoint.failedActiveHealthCheck));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function snapshotOf(port: number, check: Json, http2: boolean, cluster: Record<string, Json> = {}): Snapshot {
  const health = { health_checks: [{ ...THRESHOLDS, ...(check as object) } as Json] };
  return makeSnapshot([], [{ name: "service", ports: [port], cluster: { ...health, ...cluster }, ...(http2 ? { http2: {} } : {}) }]);
}

for (const { name, check, http2 = false, server: make, passes } of CASES) {
  test(`${name} ${passes ? "passes" : "fails"}`, async () => {
    const server = make();
    const port = await listen(server);
    const rig = new Rig();
    const snapshot = snapshotOf(port, check, http2);
    const counter = (stat: string): number => rig.stats.counter(`cluster.service.health_check.${stat}`).value;
    assert.deepEqual(failedOf(rig.checks.decorate(snapshot)), [true], "nobody has looked yet");
    const failed = await rig.until(snapshot, () => counter("success") + counter("failure") >= 3);
    assert.deepEqual(failed, [!passes]);
    assert.equal(counter(passes ? "failure" : "success"), 0);
    assert.equal(rig.stats.gauge("cluster.service.health_check.healthy").value, passes ? 1 : 0);
    rig.checks.close();
    server.close();
  });
}

test("a host that goes and comes back is followed, and one that is not to be checked is left alone", async () => {
  let status = 200;
  const server = createServer((_request, response) => response.writeHead(status).end());
  const port = await listen(server);
  const rig = new Rig();
  const snapshot = snapshotOf(port, { http_health_check: { path: "/" } }, false);
  await rig.until(snapshot, () => !failedOf(rig.checks.decorate(snapshot))[0]);
  status = 500;
  await rig.until(snapshot, () => failedOf(rig.checks.decorate(snapshot))[0]);
  status = 200;
  await rig.until(snapshot, () => !failedOf(rig.checks.decorate(snapshot))[0]);
  const unchecked = {
    load_assignment: {
      cluster_name: "service",
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: { socket_address: { address: "127.0.0.1", port_value: 1 } },
                health_check_config: { disable_active_health_check: true },
              },
            },
            {
              endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 2 } }, health_check_config: { port_value: port } },
            },
          ],
        },
      ],
    },
  };
  const other = snapshotOf(port, { http_health_check: { path: "/" } }, false, unchecked as unknown as Record<string, Json>);
  assert.deepEqual(await rig.until(other, () => !failedOf(rig.checks.decorate(other))[1]), [false, false]);
  rig.checks.close();
  server.closeAllConnections();
  server.close();
});
