// Cases of every proxy_* host call: good arguments, and each way in which what it asks for is not there.
import assert from "node:assert/strict";
import { WasmResult } from "../../../host/wasm/abi.ts";
import { grpcRequest } from "./fake-services.ts";
import type { FakeStream } from "./fake-stream.ts";
import type { Harness } from "./guests.ts";
import { type Argument, at, type Case, OUT, type Outcome, PAIRS, type Row, type Setup, When } from "./trampoline.ts";

const { Ok, NotFound, BadArgument, InternalFailure, InvalidMemoryAccess, Empty, CasMismatch, SerializationFailure, ParseFailure } =
  WasmResult;
const key = [at("x-key"), 5] as const;
const value = [at("value"), 5] as const;
const out = [OUT, OUT + 4] as const;
const good = (args: readonly Argument[], check?: (outcome: Outcome) => void, setup: Setup = {}): Case => ({
  name: "good",
  args,
  result: Ok,
  check,
  ...setup,
});
const fails = (name: string, args: readonly Argument[], result: number, setup: Setup = {}): Case => ({
  name,
  args,
  result,
  ...setup,
});
const body: Setup = { when: When.RequestBody };
const web = [at("web"), 3] as const;
const refuseCalls = ({ services }: Harness): void => {
  services.refuseCalls = true;
};
/** The plugin has a stream open, with token 6. */
const startStream = ({ plugin }: Harness): void => {
  const root = plugin.acquire();
  assert.ok(root);
  assert.equal(root.grpcCalls.start(root, grpcRequest(), undefined), 6);
};

export const ProxyCases: Record<string, Row> = {
  proxy_log: {
    ranges: [1],
    cases: [
      good([2, ...value], ({ harness }) => assert.deepEqual(harness.services.lines, ["2 test: value"])),
      fails("unknown level", [6, ...value], BadArgument),
    ],
  },
  proxy_get_log_level: { slots: [0], cases: [good([OUT], ({ out }) => assert.equal(out(0), 0))] },
  proxy_get_current_time_nanoseconds: { slots: [0], cases: [good([OUT], ({ out }) => assert.notEqual(out(4), 0))] },
  proxy_set_tick_period_milliseconds: {
    cases: [
      good([50], ({ harness }) => assert.equal(harness.services.armedTimers, 1)),
      good([0], ({ harness }) => assert.equal(harness.services.armedTimers, 0)),
    ],
  },
  proxy_get_status: { slots: [0, 1, 2], cases: [good([OUT, OUT + 4, OUT + 8], ({ out }) => assert.equal(out(0), 0))] },
  proxy_set_effective_context: { cases: [good([1]), fails("unknown id", [99], BadArgument)] },
  proxy_done: { cases: [fails("nothing pending", [], NotFound)] },
  proxy_call_foreign_function: {
    ranges: [0, 2],
    cases: [
      good([at("compress"), 8, ...value, ...out], ({ out }) => assert.ok(out(4) > 0)),
      good([at("compress"), 8, ...value, 0, 0]),
      fails("unknown name", [...key, 0, 0, ...out], NotFound),
      fails("empty name", [0, 0, 0, 0, ...out], NotFound),
      fails("bad slots", [at("compress"), 8, ...value, -1, OUT], InvalidMemoryAccess),
    ],
  },
  proxy_get_property: {
    ranges: [0],
    slots: [2, 3],
    cases: [
      good([at("plugin_name"), 11, ...out], ({ text }) => assert.equal(text(), "test")),
      fails("no such path", [...key, ...out], NotFound),
      fails("empty path", [0, 0, ...out], SerializationFailure),
    ],
  },
  proxy_set_property: {
    ranges: [0, 2],
    cases: [
      good([...key, ...value], ({ stream }) =>
        assert.equal(Buffer.from(stream.info.filterState?.get("wasm.x-key") ?? []).toString(), "value"),
      ),
    ],
  },
  proxy_get_configuration: { slots: [0, 1], cases: [good([...out], ({ out }) => assert.equal(out(4), 0))] },
  proxy_get_buffer_bytes: {
    slots: [3, 4],
    cases: [
      good([0, 1, 3, ...out], ({ text }) => assert.equal(text(), "ell"), body),
      good([0, 0, -1, ...out], ({ text }) => assert.equal(text(), "hello"), body),
      good([0, 99, 5, ...out], ({ out }) => assert.equal(out(4), 0), body),
      good([0, 0, 5, ...out], ({ out }) => assert.equal(out(4), 0)),
      fails("unknown buffer", [9, 0, 5, ...out], BadArgument),
      fails("gRPC buffer outside of its callback: empty", [5, 0, 5, ...out], Ok),
      fails("TCP buffer on HTTP", [2, 0, 5, ...out], NotFound),
      fails("no VM configuration: empty", [6, 0, 5, ...out], Ok),
      fails("plugin configuration outside on_configure", [7, 0, 5, ...out], NotFound),
    ],
  },
  proxy_get_buffer_status: {
    slots: [1, 2],
    cases: [
      good([0, OUT, OUT + 4], ({ out }) => assert.equal(out(0), 5), body),
      fails("unknown buffer", [9, OUT, OUT + 4], BadArgument),
      fails("not available", [4, OUT, OUT + 4], NotFound),
    ],
  },
  proxy_set_buffer_bytes: {
    ranges: [3],
    cases: [
      good([0, 0, 0, ...value], ({ stream }) => assert.equal(bodyOf(stream), "valuehello"), body),
      good([0, 0, 5, ...value], ({ stream }) => assert.equal(bodyOf(stream), "value"), body),
      good([0, 0, 2, ...value], ({ stream }) => assert.equal(bodyOf(stream), "valuello"), body),
      good([0, 2, 1, ...value], ({ stream }) => assert.equal(bodyOf(stream), "hevaluelo"), body),
      good([0, 0x7fffffff, 0, ...value], ({ stream }) => assert.equal(bodyOf(stream), "hellovalue"), body),
      good([0, 0, 0x7fffffff, ...value], ({ stream }) => assert.equal(bodyOf(stream), "value"), body),
      fails("read-only buffer", [6, 0, 0, ...value], BadArgument),
      fails("read-only buffer out of its time", [7, 0, 0, ...value], NotFound),
      fails("no body yet", [0, 0, 0, ...value], BadArgument),
    ],
  },
  proxy_get_header_map_size: {
    slots: [1],
    cases: [
      good([0, OUT], ({ out }) => assert.ok(out(0) > 10)),
      fails("unknown map", [8, OUT], BadArgument),
      fails("not available", [6, OUT], BadArgument),
    ],
  },
  proxy_get_header_map_pairs: {
    slots: [1, 2],
    cases: [
      good([0, ...out], ({ text }) => assert.match(text(), /:authority\0host\.test\0:path\0/)),
      good([3, ...out], ({ out }) => assert.equal(out(4), 0)),
      fails("unknown map", [8, ...out], BadArgument),
    ],
  },
  proxy_set_header_map_pairs: {
    ranges: [1],
    cases: [
      good([0, PAIRS, 24], ({ stream }) => assert.deepEqual(stream.request.entries(), [["x-key", "value"]])),
      good([0, 0, 0], ({ stream }) => assert.equal(stream.request.size, 0)),
      good([0, PAIRS, 23], ({ stream }) => assert.equal(stream.request.size, 0)),
      fails("unknown map", [8, PAIRS, 24], BadArgument),
      fails("not available", [2, PAIRS, 24], BadArgument),
    ],
  },
  proxy_get_header_map_value: {
    ranges: [1],
    slots: [3, 4],
    cases: [
      good([0, ...key, ...out], ({ text }) => assert.equal(text(), "one")),
      fails("absent key", [0, ...value, ...out], NotFound),
      { name: "absent key in 0.1.0", args: [0, ...value, ...out], result: Ok, version: "0_1_0" },
      fails("not available", [6, ...key, ...out], NotFound),
      fails("unknown map", [8, ...key, ...out], BadArgument),
    ],
  },
  proxy_add_header_map_value: {
    ranges: [1, 3],
    cases: [
      good([0, ...key, ...value], ({ stream }) => assert.deepEqual(stream.request.getAll("x-key"), ["one", "value"])),
      fails("unknown map", [8, ...key, ...value], BadArgument),
      fails("not available", [2, ...key, ...value], BadArgument),
      fails("no name", [0, 0, 0, ...value], BadArgument),
      fails("NUL in the value", [0, ...key, PAIRS, 8], BadArgument),
    ],
  },
  proxy_replace_header_map_value: {
    ranges: [1, 3],
    cases: [
      good([0, ...key, ...value], ({ stream }) => assert.deepEqual(stream.request.getAll("x-key"), ["value"])),
      fails("unknown map", [8, ...key, ...value], BadArgument),
      fails("read-only map", [6, ...key, ...value], BadArgument),
    ],
  },
  proxy_remove_header_map_value: {
    ranges: [1],
    cases: [
      good([0, ...key], ({ stream }) => assert.equal(stream.request.has("x-key"), false)),
      good([0, ...value]),
      fails("unknown map", [8, ...key], BadArgument),
      fails("not available", [3, ...key], BadArgument),
    ],
  },
  proxy_continue_stream: { cases: [good([0]), good([1]), fails("unknown stream", [4], BadArgument)] },
  proxy_close_stream: {
    cases: [
      good([0], ({ stream }) => assert.deepEqual(stream.events, ["reset wasm_close_stream"])),
      fails("unknown stream", [4], BadArgument),
    ],
  },
  proxy_continue_request: { cases: [good([])] },
  proxy_continue_response: { cases: [good([], ({ stream }) => assert.deepEqual(stream.events, ["continueEncoding"]))] },
  proxy_clear_route_cache: { cases: [good([], ({ stream }) => assert.deepEqual(stream.events, ["clearRouteCache"]))] },
  proxy_send_local_response: {
    ranges: [1, 3, 5],
    cases: [
      good([403, ...key, ...value, PAIRS, 24, -1], ({ stream }) =>
        assert.deepEqual(stream.replies, [
          { status: 403, details: "x-key", body: "value", headers: [["x-key", "value"]], grpcStatus: undefined },
        ]),
      ),
      good([7, 0, 0, 0, 0, 0, 0, 5], ({ stream }) => assert.equal(stream.replies[0].grpcStatus, 5)),
    ],
  },
  proxy_http_call: {
    ranges: [0, 2, 4, 6],
    slots: [9],
    cases: [
      good([at("web"), 3, PAIRS + 64, 61, ...value, 0, 0, 500, OUT], ({ harness, out }) => {
        assert.equal(out(0), 4);
        const { request } = harness.services.httpCalls[0];
        assert.deepEqual([request.cluster, request.timeoutMs, request.headers[1]], ["web", 500, [":path", "/"]]);
      }),
      fails("unknown cluster", [...key, PAIRS + 64, 61, ...value, 0, 0, 500, OUT], BadArgument),
      fails("negative timeout", [at("web"), 3, PAIRS + 64, 61, ...value, 0, 0, -5, OUT], BadArgument),
      fails("no pseudo headers", [at("web"), 3, PAIRS, 24, ...value, 0, 0, 500, OUT], BadArgument),
      fails("cannot be sent", [at("web"), 3, PAIRS + 64, 61, ...value, 0, 0, 500, OUT], InternalFailure, {
        prepare: ({ services }) => {
          services.refuseCalls = true;
        },
      }),
    ],
  },
  proxy_grpc_call: {
    ranges: [0, 2, 4, 6, 8],
    slots: [11],
    cases: [
      good([...web, ...key, ...value, PAIRS, 24, ...value, 100, OUT], ({ harness, out }) => {
        assert.equal(out(0), 5);
        const [{ request, done }] = harness.services.grpcStreams;
        assert.deepEqual([request.cluster, request.service, request.method, request.timeoutMs], ["web", "x-key", "value", 100]);
        assert.deepEqual([request.metadata, done], [[["x-key", "value"]], ["send value true"]]);
      }),
      good([...web, ...key, ...value, 0, 0, 0, 0, 0, OUT], ({ harness }) => {
        const [{ request }] = harness.services.grpcStreams;
        assert.deepEqual([request.timeoutMs, request.announcedMs], [30_000, 0]);
      }),
      fails("unknown cluster", [...key, ...key, ...value, 0, 0, 0, 0, 100, OUT], ParseFailure),
      fails("no name", [0, 0, ...key, ...value, 0, 0, 0, 0, 100, OUT], BadArgument),
      fails("pseudo headers", [...web, ...key, ...value, PAIRS + 64, 61, 0, 0, 100, OUT], BadArgument),
      fails("malformed metadata", [...web, ...key, ...value, ...key, 0, 0, 100, OUT], BadArgument),
      fails("cannot be sent", [...web, ...key, ...value, 0, 0, 0, 0, 100, OUT], InternalFailure, { prepare: refuseCalls }),
    ],
  },
  proxy_grpc_stream: {
    ranges: [0, 2, 4, 6],
    slots: [8],
    cases: [
      good([...web, ...key, ...value, PAIRS, 24, OUT], ({ harness, out }) => {
        assert.equal(out(0), 6);
        assert.equal(harness.services.grpcStreams[0].request.timeoutMs, 0);
      }),
      fails("unknown cluster", [...key, ...key, ...value, 0, 0, OUT], ParseFailure),
      fails("a service that is no part of a path", [...web, PAIRS, 5, ...value, 0, 0, OUT], BadArgument),
      fails("cannot be sent", [...web, ...key, ...value, 0, 0, OUT], InternalFailure, { prepare: refuseCalls }),
    ],
  },
  proxy_grpc_send: {
    ranges: [1],
    cases: [
      good([6, ...value, 1], ({ harness }) => assert.deepEqual(harness.services.grpcStreams[0].done, ["send value true"]), {
        prepare: startStream,
      }),
      fails("too much waits", [6, ...value, 1], InternalFailure, {
        prepare: (harness) => {
          startStream(harness);
          harness.services.grpcIsFull = true;
        },
      }),
      fails("no such stream", [6, ...value, 1], NotFound),
      fails("no stream token", [5, ...value, 1], BadArgument),
    ],
  },
  proxy_grpc_cancel: {
    cases: [
      good([6], ({ harness }) => assert.deepEqual(harness.services.grpcStreams[0].done, ["cancel"]), { prepare: startStream }),
      fails("no such call", [5], NotFound),
      fails("no gRPC token", [4], BadArgument),
    ],
  },
  proxy_grpc_close: {
    cases: [
      good([6], ({ harness }) => assert.deepEqual(harness.services.grpcStreams[0].done, ["close"]), { prepare: startStream }),
      fails("no such call", [5], NotFound),
      fails("no gRPC token", [4], BadArgument),
    ],
  },
  proxy_get_shared_data: {
    ranges: [0],
    slots: [2, 3, 4],
    cases: [
      good([...key, ...out, OUT + 8], ({ text, out }) => assert.deepEqual([text(), out(8)], ["stored", 1]), {
        prepare: ({ services }) => void services.sharedData.set("vm", "x-key", Buffer.from("stored"), 0),
      }),
      fails("absent", [...key, ...out, OUT + 8], NotFound),
    ],
  },
  proxy_set_shared_data: {
    ranges: [0, 2],
    cases: [
      good([...key, ...value, 0], ({ harness }) =>
        assert.equal(Buffer.from(harness.services.sharedData.get("vm", "x-key")?.value ?? []).toString(), "value"),
      ),
      good([...key, ...value, 77]),
      fails("other cas", [...key, ...value, 77], CasMismatch, {
        prepare: ({ services }) => void services.sharedData.set("vm", "x-key", Buffer.from("stored"), 0),
      }),
      fails("too large", [...key, 0, 70_000, 0], InternalFailure),
    ],
  },
  proxy_register_shared_queue: {
    ranges: [0],
    slots: [2],
    cases: [good([...key, OUT], ({ out }) => assert.equal(out(0), 1))],
  },
  proxy_resolve_shared_queue: {
    ranges: [0, 2],
    slots: [4],
    cases: [
      good([0, 0, ...key, OUT], ({ out }) => assert.equal(out(0), 1), { prepare: ({ services }) => queue(services) }),
      fails("unknown", [...key, ...key, OUT], NotFound, { prepare: ({ services }) => queue(services) }),
    ],
  },
  proxy_enqueue_shared_queue: {
    ranges: [1],
    cases: [
      good([1, ...value], ({ harness }) => assert.deepEqual(harness.services.notified, [{ worker: 3, queue: 1 }]), {
        prepare: ({ services }) => queue(services),
      }),
      fails("unknown", [0, ...value], NotFound),
    ],
  },
  proxy_dequeue_shared_queue: {
    slots: [1, 2],
    cases: [
      good([1, ...out], ({ text }) => assert.equal(text(), "item"), {
        prepare: ({ services }) => {
          queue(services);
          services.sharedQueues.enqueue(1, Buffer.from("item"));
        },
      }),
      fails("empty", [1, ...out], Empty, { prepare: ({ services }) => queue(services) }),
      fails("unknown", [9, ...out], NotFound),
    ],
  },
  proxy_define_metric: {
    ranges: [1],
    slots: [3],
    cases: [
      good([1, ...key, OUT], ({ out, harness }) => {
        assert.equal(out(0), 5);
        assert.ok(harness.services.series.has("wasmcustom.x-key"));
      }),
      fails("unknown type", [3, ...key, OUT], BadArgument),
    ],
  },
  proxy_increment_metric: {
    cases: [
      good([4, 3n], ({ harness }) => assert.equal(harness.services.series.get("wasmcustom.x-key")?.value, 3), metric(0)),
      fails("counter down", [4, -1n], BadArgument, metric(0)),
      good([5, -1n], ({ harness }) => assert.equal(harness.services.series.get("wasmcustom.x-key")?.value, -1), metric(1)),
      fails("histogram", [6, 1n], BadArgument, metric(2)),
      fails("unknown", [8, 1n], NotFound, metric(0)),
    ],
  },
  proxy_record_metric: {
    cases: [
      good([4, 3n], ({ harness }) => assert.equal(harness.services.series.get("wasmcustom.x-key")?.value, 3), metric(0)),
      good([6, 9n], ({ harness }) => assert.deepEqual(harness.services.series.get("wasmcustom.x-key")?.observed, [9]), metric(2)),
      fails("unknown", [7, 1n], NotFound),
    ],
  },
  proxy_get_metric: {
    slots: [1],
    cases: [
      good([5, OUT], ({ out }) => assert.equal(out(0), 0), metric(1)),
      fails("histogram", [6, OUT], BadArgument, metric(2)),
      fails("unknown", [4, OUT], NotFound),
    ],
  },
};

function bodyOf(stream: FakeStream): string {
  return Buffer.from(stream.requestBody.bytes()).toString("latin1");
}

function queue(services: Harness["services"]): void {
  services.sharedQueues.register("vm", "x-key", 3);
}

/** A metric of `type` with the first id of its kind, as the guest would have defined it. */
function metric(type: 0 | 1 | 2): Setup {
  return {
    prepare: ({ plugin }) => {
      const id = plugin.acquire()?.vm.metrics.define(type, "x-key");
      assert.equal(id, 4 + type);
    },
  };
}
