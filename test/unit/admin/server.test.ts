// Requests that are refused whatever their path, and the server on real sockets.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { formatAdminLog } from "../../../host/admin/access-log.ts";
import type { IncomingHead } from "../../../host/admin/router.ts";
import { isAllowedHost } from "../../../host/admin/same-origin.ts";
import { AdminServer, type AdminServerOptions } from "../../../host/admin/server.ts";
import type { AdminViews } from "../../../host/admin/views.ts";
import { ask, fakeViews, resource, routerOf } from "./support.ts";

test("Host: localhost, IP addresses and configured names only", () => {
  const cases: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, true],
    ["localhost", true],
    ["LOCALHOST:9901", true],
    ["a.localhost", true],
    ["127.0.0.1:15000", true],
    ["10.0.0.7", true],
    ["[::1]:15000", true],
    ["[::1]", true],
    ["admin.example:80", true],
    ["admin.example.", true],
    ["evil.example", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["evil.example@127.0.0.1", false],
    ["127.0.0.1:80:80", false],
    ["[::1", false],
    [" ", false],
  ];
  for (const [host, isAllowed] of cases) {
    assert.equal(isAllowedHost(host, ["admin.example"]), isAllowed, String(host));
    assert.equal(ask(fakeViews(), "/ready", { host }).status, isAllowed ? 200 : 403, String(host));
  }
});

test("pages of other sites change nothing", () => {
  const cases: readonly (readonly [Partial<IncomingHead>, number])[] = [
    [{}, 200],
    [{ origin: "http://127.0.0.1:15000" }, 200],
    [{ fetchSite: "same-origin", origin: "http://127.0.0.1:15000" }, 200],
    [{ fetchSite: "none" }, 200],
    [{ origin: "http://evil.example" }, 403],
    [{ origin: "null" }, 403],
    [{ fetchSite: "cross-site" }, 403],
    [{ fetchSite: "same-site" }, 403],
  ];
  for (const [head, status] of cases) {
    const views = fakeViews();
    assert.equal(ask(views, "POST /healthcheck/fail", head).status, status, JSON.stringify(head));
    assert.equal(views.calls.length, status === 200 ? 1 : 0);
    assert.equal(ask(views, "/ready", head).status, 200);
  }
});

test("a handler that throws answers 500, is reported, and holds nothing", () => {
  const errors: string[] = [];
  const router = routerOf(
    fakeViews({
      resources: () => {
        throw new Error("boom");
      },
    }),
    errors,
  );
  const head: IncomingHead = { method: "GET", target: "/config_dump", host: undefined, origin: undefined, fetchSite: undefined };
  for (let i = 0; i < 10; i++) {
    const answer = router.answer(head);
    assert.equal(answer.response.status, 500);
    assert.equal(answer.response.body, "internal error: boom\n");
    answer.release();
  }
  assert.equal(errors.length, 10);
});

test("at most four dumps at once", () => {
  const router = routerOf(fakeViews());
  const head: IncomingHead = { method: "GET", target: "/config_dump", host: undefined, origin: undefined, fetchSite: undefined };
  const held = [1, 2, 3, 4].map(() => router.answer(head));
  assert.deepEqual(
    held.map(({ response }) => response.status),
    [200, 200, 200, 200],
  );
  assert.equal(router.answer(head).response.status, 429);
  assert.equal(router.answer({ ...head, target: "/ready" }).response.status, 200);
  held[0].release();
  held[0].release();
  const next = router.answer(head);
  assert.equal(next.response.status, 200);
  assert.equal(router.answer(head).response.status, 429);
});

test("access log lines cannot be forged", () => {
  const entry = {
    startedAtMs: Date.UTC(2026, 10, 24, 12, 35, 46, 951),
    method: "POST",
    target: "/quitquitquit",
    httpVersion: "1.1",
    status: 200,
    bytesReceived: 0,
    bytesSent: 3,
    durationMs: 0.3,
    remoteAddress: "192.0.2.2",
    userAgent: "curl/7.88.1",
    requestId: undefined,
    authority: "127.0.0.1:37002",
  };
  // As Envoy wrote it for this request.
  assert.equal(
    formatAdminLog(entry),
    '[2026-11-24T12:35:46.951Z] "POST /quitquitquit HTTP/1.1" 200 - 0 3 0 - "192.0.2.2" "curl/7.88.1" "-" "127.0.0.1:37002" "-"\n',
  );
  assert.match(formatAdminLog({ ...entry, userAgent: 'a"\n\u001b[31m' }), /"a\\x22\\x0a\\x1b\[31m"/);
});

async function started(t: TestContext, options: Partial<AdminServerOptions> = {}, views: AdminViews = fakeViews()): Promise<AdminServer> {
  const server = new AdminServer({
    address: { kind: "socket", address: "127.0.0.1", port: 0 },
    accessLogPath: undefined,
    views,
    ...options,
  });
  await server.listen();
  t.after(() => server.close());
  return server;
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function call(address: string, path: string, method = "GET", headers: Record<string, string> = {}): Promise<Reply> {
  const at = address.startsWith("/") ? { socketPath: address } : { host: address.split(":")[0], port: Number(address.split(":")[1]) };
  return new Promise((resolve, reject) => {
    const sent = request({ ...at, path, method, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("answers over TCP, with headers that browsers respect", async (t) => {
  const { address } = await started(t);
  const reply = await call(address, "/ready");
  assert.equal(reply.body, "LIVE\n");
  assert.equal(reply.headers["content-type"], "text/plain; charset=UTF-8");
  assert.equal(reply.headers["x-content-type-options"], "nosniff");
  assert.equal(reply.headers["cache-control"], "no-cache, max-age=0");
  assert.match(String(reply.headers["content-security-policy"]), /default-src 'none'/);
  assert.equal((await call(address, "/ready", "HEAD")).body, "");
  assert.equal((await call(address, "/ready", "GET", { host: "evil.example" })).status, 403);
  assert.equal((await call(address, "/quitquitquit")).status, 405);
});

test("quits after the answer, and logs", async (t) => {
  const log = join(mkdtempSync(join(tmpdir(), "admin-")), "admin.log");
  const views = fakeViews();
  const server = await started(t, { accessLogPath: log }, views);
  assert.equal((await call(server.address, "/quitquitquit", "POST", { "user-agent": "me" })).body, "OK\n");
  while (!views.calls.includes("quit")) await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  assert.match(
    readFileSync(log, "utf8"),
    /^\[[\dT:.Z-]+\] "POST \/quitquitquit HTTP\/1\.1" 200 - 0 3 \d+ - "127\.0\.0\.1" "me" "-" "127\.0\.0\.1:\d+" "-"\n$/,
  );
});

test("a pipe: private, taken over from a dead process, not from a live one", async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), "admin-")), "a.sock");
  const server = await started(t, { address: { kind: "pipe", path } });
  assert.equal(server.address, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal((await call(path, "/ready", "GET", { host: "anything" })).status, 200);
  const other = new AdminServer({ address: { kind: "pipe", path }, accessLogPath: undefined, views: fakeViews() });
  await assert.rejects(other.listen(), { code: "EADDRINUSE" });
  const file = `${path}.file`;
  writeFileSync(file, "precious");
  await assert.rejects(new AdminServer({ address: { kind: "pipe", path: file }, accessLogPath: undefined, views: fakeViews() }).listen());
  assert.equal(readFileSync(file, "utf8"), "precious");
});

test("a taken port: refused, or the next one where that is asked for", async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", () => resolve()));
  t.after(() => taken.close());
  const bound = taken.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const address = { kind: "socket", address: "127.0.0.1", port } as const;
  await assert.rejects(new AdminServer({ address, accessLogPath: undefined, views: fakeViews() }).listen(), { code: "EADDRINUSE" });
  const server = await started(t, { address, nextPorts: 50 });
  const got = Number(server.address.split(":")[1]);
  assert.ok(got > port && got <= port + 50);
  assert.equal((await call(server.address, "/ready")).status, 200);
});

test("clients that do not read a large dump hold four of them, no more", async (t) => {
  const json = { name: "c", filler: "x".repeat(32 * 1024 * 1024) };
  const { address } = await started(t, {}, fakeViews({ resources: () => [resource({ kind: "cluster", name: "c", json })] }));
  const [host, port] = address.split(":");
  const slow = await Promise.all(
    [1, 2, 3, 4].map(
      () =>
        new Promise<ReturnType<typeof connect>>((resolve) => {
          const socket = connect(Number(port), host, () => socket.write("GET /config_dump HTTP/1.1\r\nhost: localhost\r\n\r\n"));
          socket.once("readable", () => resolve(socket));
        }),
    ),
  );
  assert.equal((await call(address, "/config_dump")).status, 429);
  assert.equal((await call(address, "/ready")).status, 200);
  for (const socket of slow) socket.destroy();
  let status = 429;
  while (status === 429) status = (await call(address, "/config_dump?mask=bootstrap.node")).status;
  assert.equal(status, 200);
});

test("what is no HTTP, or too much of it, ends its own connection only", async (t) => {
  const { address } = await started(t);
  const [host, port] = address.split(":");
  const floods = [
    "\u0000\u0001garbage\r\n\r\n",
    `GET / HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    `POST /reset_counters HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999\r\n\r\n${"z".repeat(200_000)}`,
  ];
  for (const flood of floods) {
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), host, () => socket.write(flood));
      socket.on("data", () => {});
      socket.on("error", () => {}); // reset by the server, as it should be
      socket.on("close", () => resolve());
    });
  }
  assert.equal((await call(address, "/ready")).status, 200);
});
