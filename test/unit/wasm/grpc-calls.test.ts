// gRPC calls and streams of a guest: the callbacks and their order, what each end leaves behind, and what happens at the limits. How
// they travel is the business of test/grpc/callout.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../../../host/http/header-map.ts";
import type { GrpcCalls } from "../../../host/wasm/grpc-calls.ts";
import type { LoadedModule } from "../../../host/wasm/module.ts";
import type { RootContext } from "../../../host/wasm/root-context.ts";
import type { GrpcReceiver } from "../../../host/wasm/services.ts";
import { grpcRequest } from "./fake-services.ts";
import { type Harness, LOG_IMPORT, load, logging, open, PRELUDE } from "./guests.ts";

const CALLBACKS = [
  ["i", "proxy_on_grpc_receive_initial_metadata"],
  ["m", "proxy_on_grpc_receive"],
  ["t", "proxy_on_grpc_receive_trailing_metadata"],
  ["c", "proxy_on_grpc_close"],
] as const;

/** Each callback logs its letter and token; a close with status 99 traps. */
const guest = load(`(module ${LOG_IMPORT} ${PRELUDE}
  ${CALLBACKS.map(([letter], i) => `(data (i32.const ${1024 + i * 16}) "${letter}")`).join("\n")}
  ${CALLBACKS.map(
    ([, name], i) => `(func (export "${name}") (param i32 i32 i32)
      (if (i32.eq (local.get 2) (i32.const 99)) (then unreachable))
      (i32.store8 (i32.const ${1025 + i * 16}) (i32.add (i32.const 48) (local.get 1)))
      ${logging(1024 + i * 16, "xx")})`,
  ).join("\n")})`);

interface Run {
  readonly harness: Harness;
  readonly root: RootContext;
  readonly calls: GrpcCalls;
  readonly token: number;
  readonly receiver: GrpcReceiver;
  readonly done: string[];
}

async function begin(isStream: boolean): Promise<Run> {
  const module: LoadedModule = await guest;
  const harness = open(module);
  const root = harness.plugin.acquire();
  assert.ok(root);
  const token = root.grpcCalls.start(root, grpcRequest(), isStream ? undefined : Buffer.from("q"));
  assert.ok(token !== undefined);
  const [{ receiver, done }] = harness.services.grpcStreams;
  return { harness, root, calls: root.grpcCalls, token, receiver, done };
}

const metadata = new HeaderMap();
const bytes = Buffer.from("r");

interface Case {
  readonly name: string;
  readonly stream: boolean;
  run(run: Run): void;
  /** The callbacks, with the token. */
  readonly told: string;
  /** Known afterwards. */
  readonly left: number;
  readonly done?: readonly string[];
}

const whole = ({ receiver }: Run): void => {
  receiver.onInitialMetadata(metadata);
  receiver.onMessage(bytes);
  receiver.onTrailingMetadata(metadata);
  receiver.onClose(0, "");
};

const CASES: readonly Case[] = [
  { name: "a call that is answered", stream: false, run: whole, told: "m5", left: 0, done: ["send q true"] },
  { name: "a call that fails", stream: false, run: ({ receiver }) => receiver.onClose(14, "no"), told: "c5", left: 0 },
  {
    name: "a call that is answered and fails",
    stream: false,
    run: ({ receiver }) => void [receiver.onMessage(bytes), receiver.onClose(13, "")],
    told: "c5",
    left: 0,
  },
  { name: "a call without an answer", stream: false, run: ({ receiver }) => receiver.onClose(0, ""), told: "c5", left: 0 },
  {
    name: "a call that is closed",
    stream: false,
    run: (run) => void [run.calls.close(5), whole(run)],
    told: "",
    left: 0,
    done: ["send q true", "cancel"],
  },
  { name: "a stream", stream: true, run: whole, told: "i6 m6 t6 c6", left: 1 },
  {
    name: "a stream that both sides end",
    stream: true,
    run: (run) => {
      run.calls.send(6, bytes, false);
      run.calls.close(6);
      run.calls.close(6);
      run.calls.send(6, bytes, false);
      whole(run);
    },
    told: "i6 m6 t6 c6",
    left: 0,
    done: ["send r false", "close"],
  },
  {
    name: "a stream closed after its peer did",
    stream: true,
    run: (run) => void [whole(run), run.calls.close(6)],
    told: "i6 m6 t6 c6",
    left: 0,
    done: [],
  },
  {
    name: "a stream that is cancelled",
    stream: true,
    run: (run) => void [run.calls.cancel(6), whole(run)],
    told: "",
    left: 0,
    done: ["cancel"],
  },
  {
    name: "a stream of a plugin that ends",
    stream: true,
    run: (run) => void [run.harness.factory.close(), whole(run)],
    told: "",
    left: 0,
    done: ["cancel"],
  },
  {
    name: "a stream of a VM that dies in a callback",
    stream: true,
    run: (run) => {
      run.receiver.onClose(99, "");
      assert.equal(run.root.vm.isFailed, true);
      whole(run);
    },
    told: "",
    left: 0,
    done: ["cancel"],
  },
];

for (const item of CASES) {
  test(item.name, async () => {
    const run = await begin(item.stream);
    item.run(run);
    const told = run.harness.services.lines.filter((line) => line.startsWith("2 test: ")).map((line) => line.slice(8));
    assert.equal(told.join(" "), item.told);
    assert.equal(run.calls.size, item.left);
    if (!run.root.isDeleted) assert.equal(run.root.httpCallsInFlight, item.left);
    if (item.done !== undefined) assert.deepEqual(run.done, item.done);
  });
}

test("an end that comes out of the host call itself is told in a later turn, and not after a cancel", async () => {
  const { harness, root, receiver, token } = await begin(true);
  const told = (): string[] => harness.services.lines.filter((line) => line.startsWith("2 test: "));
  root.vm.isRunning = true;
  receiver.onClose(14, "");
  root.vm.isRunning = false;
  assert.deepEqual(told(), []);
  harness.services.advance(5);
  assert.deepEqual(told(), ["2 test: c6"]);
  const second = root.grpcCalls.start(root, grpcRequest(), undefined);
  assert.equal(second, token + 4);
  root.vm.isRunning = true;
  harness.services.grpcStreams[1].receiver.onClose(14, "");
  root.vm.isRunning = false;
  root.grpcCalls.cancel(token + 4);
  harness.services.advance(5);
  assert.deepEqual(told(), ["2 test: c6"]);
});
