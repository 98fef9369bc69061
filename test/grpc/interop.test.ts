// The cases of gRPC's interoperability tests between @grpc/grpc-js on both sides, through a data plane that speaks HTTP/2 both ways.
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md; test/foreign runs the same with Go's implementation.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { startDataPlane } from "../support/data-plane.ts";
import {
  DuplexCall,
  EmptyCall,
  type InteropServer,
  InputCall,
  MissingMethod,
  MissingService,
  OutputCall,
  type OutputRequest,
  startInteropServer,
  UnaryCall,
  type WithPayload,
} from "./interop-service.ts";

const zeros = (size: number): WithPayload => ({ payload: { body: Buffer.alloc(size) } });
const size = (message: WithPayload): number => message.payload?.body.length ?? 0;

/** What there is of a call when it is over. */
interface Ended {
  readonly code: number;
  readonly details: string;
  readonly sizes: readonly number[];
  readonly initial: grpc.Metadata | undefined;
  readonly trailing: grpc.Metadata | undefined;
}

class Caller {
  readonly client: grpc.Client;

  constructor(port: number) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  }

  unary<Request, Response>(
    { path, requestSerialize, responseDeserialize }: grpc.MethodDefinition<Request, Response>,
    request: Request,
    metadata = new grpc.Metadata(),
  ): Promise<Ended & { readonly value: Response | undefined }> {
    return new Promise((resolve) => {
      let value: Response | undefined;
      let initial: grpc.Metadata | undefined;
      const call = this.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (_error, response) => {
        value = response;
      });
      call.on("metadata", (received: grpc.Metadata) => (initial = received));
      call.on("status", (status: grpc.StatusObject) =>
        // The answer's own callback runs first or right behind.
        setImmediate(() => resolve({ code: status.code, details: status.details, sizes: [], initial, trailing: status.metadata, value })),
      );
    });
  }

  duplex(metadata = new grpc.Metadata(), options: grpc.CallOptions = {}): grpc.ClientDuplexStream<OutputRequest, WithPayload> {
    return this.client.makeBidiStreamRequest(
      DuplexCall.path,
      DuplexCall.requestSerialize,
      DuplexCall.responseDeserialize,
      metadata,
      options,
    );
  }
}

/** Reads a stream to its end; `onMessage` gets how many there were. */
function ended(call: grpc.ClientReadableStream<WithPayload>, onMessage: (count: number) => void = () => {}): Promise<Ended> {
  const sizes: number[] = [];
  let initial: grpc.Metadata | undefined;
  return new Promise((resolve) => {
    call.on("metadata", (received: grpc.Metadata) => (initial = received));
    call.on("data", (message: WithPayload) => onMessage(sizes.push(size(message))));
    // Told by "status" too.
    call.on("error", () => {});
    call.on("status", ({ code, details, metadata }) => resolve({ code, details, sizes, initial, trailing: metadata }));
  });
}

const SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const REQUESTS = [27_182, 8, 1828, 45_904];
const ANSWERS = [31_415, 9, 2653, 58_979];

const CASES: Readonly<Record<string, (caller: Caller, server: InteropServer) => Promise<void>>> = {
  empty_unary: async (caller) => {
    const { code, value } = await caller.unary(EmptyCall, {});
    assert.deepEqual([code, value], [grpc.status.OK, {}]);
  },
  large_unary: async (caller) => {
    const { code, value } = await caller.unary(UnaryCall, { response_size: 314_159, ...zeros(271_828) });
    assert.deepEqual([code, value === undefined ? 0 : size(value)], [grpc.status.OK, 314_159]);
  },
  client_streaming: async (caller) => {
    const total = await new Promise<number | undefined>((resolve) => {
      const call = caller.client.makeClientStreamRequest(
        InputCall.path,
        InputCall.requestSerialize,
        InputCall.responseDeserialize,
        (_error, response) => resolve(response?.aggregated_payload_size),
      );
      for (const bytes of REQUESTS) call.write(zeros(bytes));
      call.end();
    });
    assert.equal(total, 74_922);
  },
  server_streaming: async (caller) => {
    const call = caller.client.makeServerStreamRequest(OutputCall.path, OutputCall.requestSerialize, OutputCall.responseDeserialize, {
      response_parameters: ANSWERS.map((bytes) => ({ size: bytes })),
    });
    const { code, sizes } = await ended(call);
    assert.deepEqual([code, sizes], [grpc.status.OK, ANSWERS]);
  },
  ping_pong: async (caller) => {
    const call = caller.duplex();
    const next = (at: number): void => {
      if (at === ANSWERS.length) call.end();
      else call.write({ response_parameters: [{ size: ANSWERS[at] }], ...zeros(REQUESTS[at]) });
    };
    next(0);
    const { code, sizes } = await ended(call, next);
    assert.deepEqual([code, sizes], [grpc.status.OK, ANSWERS]);
  },
  empty_stream: async (caller) => {
    const call = caller.duplex();
    call.end();
    const { code, sizes } = await ended(call);
    assert.deepEqual([code, sizes], [grpc.status.OK, []]);
  },
  custom_metadata: async (caller) => {
    const metadata = new grpc.Metadata();
    metadata.set("x-grpc-test-echo-initial", "test_initial_metadata_value");
    metadata.set("x-grpc-test-echo-trailing-bin", Buffer.from("ababab", "hex"));
    const call = caller.duplex(metadata);
    const stream = ended(call);
    call.write({ response_parameters: [{ size: 314_159 }], ...zeros(271_828) });
    call.end();
    const unary = caller.unary(UnaryCall, { response_size: 314_159, ...zeros(271_828) }, metadata);
    for (const one of await Promise.all([unary, stream])) {
      assert.equal(one.code, grpc.status.OK);
      assert.deepEqual(one.initial?.get("x-grpc-test-echo-initial"), ["test_initial_metadata_value"]);
      assert.deepEqual(one.trailing?.get("x-grpc-test-echo-trailing-bin"), [Buffer.from("ababab", "hex")]);
    }
  },
  timeout_on_sleeping_server: async (caller) => {
    const call = caller.duplex(new grpc.Metadata(), { deadline: Date.now() + 20 });
    call.write({ response_parameters: [{ size: 31_415, interval_us: 200_000 }], ...zeros(27_182) });
    assert.equal((await ended(call)).code, grpc.status.DEADLINE_EXCEEDED);
  },
  cancel_after_begin: async (caller, server) => {
    const call = caller.client.makeClientStreamRequest(InputCall.path, InputCall.requestSerialize, InputCall.responseDeserialize, () => {});
    const status = new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
    call.write(zeros(1));
    await until(() => server.begun.includes("StreamingInputCall"));
    call.cancel();
    assert.equal((await status).code, grpc.status.CANCELLED);
    await until(() => server.cancelled.includes("StreamingInputCall"));
  },
  cancel_after_first_response: async (caller, server) => {
    const call = caller.duplex();
    call.write({ response_parameters: [{ size: 31_415 }], ...zeros(27_182) });
    const { code, sizes } = await ended(call, () => call.cancel());
    assert.deepEqual([code, sizes], [grpc.status.CANCELLED, [31_415]]);
    await until(() => server.cancelled.includes("FullDuplexCall"));
  },
  status_code_and_message: (caller) => checkStatus(caller, 2, "test status message"),
  special_status_message: (caller) => checkStatus(caller, 2, SPECIAL),
  unimplemented_method: async (caller) => assert.equal((await caller.unary(MissingMethod, {})).code, grpc.status.UNIMPLEMENTED),
  unimplemented_service: async (caller) => assert.equal((await caller.unary(MissingService, {})).code, grpc.status.UNIMPLEMENTED),
};

async function checkStatus(caller: Caller, code: number, message: string): Promise<void> {
  const response_status = { code, message };
  const unary = await caller.unary(UnaryCall, { response_status });
  const call = caller.duplex();
  call.write({ response_status });
  call.end();
  const stream = await ended(call);
  for (const one of [unary, stream]) assert.deepEqual([one.code, one.details], [code, message]);
}

async function until(ready: () => boolean): Promise<void> {
  const deadline = performance.now() + 2000;
  while (!ready()) {
    assert.ok(performance.now() < deadline, "it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("interoperability", async (t) => {
  const server = await startInteropServer();
  const plane = await startDataPlane([{ name: "service" }], [{ name: "service", ports: [server.port], http2: {} }]);
  const caller = new Caller(plane.port("service"));
  t.after(async () => {
    caller.client.close();
    await plane.stop();
    server.close();
  });
  for (const [name, run] of Object.entries(CASES)) {
    await t.test(name, async () => {
      server.cancelled.length = 0;
      server.begun.length = 0;
      await run(caller, server);
    });
  }
  await t.test("a hundred calls at once", async () => {
    const codes = await Promise.all(Array.from({ length: 100 }, () => caller.unary(UnaryCall, { response_size: 1000, ...zeros(1000) })));
    assert.deepEqual(new Set(codes.map(({ code }) => code)), new Set([grpc.status.OK]));
  });
  await t.test("nothing is left behind", async () => {
    for (const name of [
      "http.service.downstream_rq_active",
      "cluster.service.upstream_rq_active",
      "cluster.service.upstream_rq_pending_active",
    ])
      await until(() => plane.gauge(name) === 0);
  });
});
