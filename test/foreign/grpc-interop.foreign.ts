// The cases of gRPC's interoperability tests with Go's client and server, through a data plane that speaks HTTP/2 both ways. Needs a Go
// toolchain of 1.25 or later and its module proxy: node --test dist/test/foreign/grpc-interop.foreign.js
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePort } from "../../host/server/ports.ts";
import { type InteropServer, startInteropServer } from "../grpc/interop-service.ts";
import { startDataPlane, type TestDataPlane } from "../support/data-plane.ts";

const CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
] as const;

/** Compiled tests stand in dist/, the Go module where it was written. */
function sourceFolder(): string {
  const found = ["../../../test/foreign/go", "go"].map((path) => join(import.meta.dirname, path)).find(existsSync);
  if (found === undefined) throw new Error("the Go sources are not there");
  return join(found, "interop");
}

function untilListening(port: number, deadline: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const attempt = (): void => {
      const socket = connect(port, "127.0.0.1");
      socket.on("connect", () => {
        socket.destroy();
        resolve();
      });
      socket.on("error", (error) => (performance.now() < deadline ? setTimeout(attempt, 50) : reject(error)));
    };
    attempt();
  });
}

describe("gRPC interoperability with Go's client", () => {
  let folder = "";
  let goServer: ChildProcess | undefined;
  let nodeServer: InteropServer | undefined;
  let plane: TestDataPlane | undefined;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-grpc-"));
    for (const program of ["client", "server"]) {
      execFileSync("go", ["build", "-o", join(folder, program), `google.golang.org/grpc/interop/${program}`], {
        cwd: sourceFolder(),
        stdio: ["ignore", "ignore", "inherit"],
      });
    }
    const port = await freePort("127.0.0.1");
    goServer = spawn(join(folder, "server"), ["-port", String(port)], { stdio: "ignore" });
    nodeServer = await startInteropServer();
    await untilListening(port, performance.now() + 10_000);
    plane = await startDataPlane(
      [{ name: "go" }, { name: "node" }],
      [
        { name: "go", ports: [port], http2: {} },
        { name: "node", ports: [nodeServer.port], http2: {} },
      ],
    );
  });

  after(async () => {
    await plane?.stop();
    nodeServer?.close();
    goServer?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  for (const server of ["go", "node"] as const) {
    for (const name of CASES) {
      it(`${name}, server in ${server}`, async () => {
        assert.ok(plane !== undefined);
        const args = ["-server_host", "127.0.0.1", "-server_port", String(plane.port(server)), "-test_case", name];
        // It ends with 0 when all is as the description says, and tells on stderr what is not.
        await new Promise<void>((resolve, reject) => {
          execFile(join(folder, "client"), args, { timeout: 20_000 }, (error, _stdout, stderr) =>
            error === null ? resolve() : reject(new Error(stderr === "" ? error.message : stderr)),
          );
        });
      });
    }
  }
});
