// The SDK's gRPC classes in this runtime: which methods are called, what they can read, and what is left of a call whose stream is gone.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { type LoadedModule, loadModule } from "../../../host/wasm/module.ts";
import type { FakeGrpcStream } from "../wasm/fake-services.ts";
import { FakeStream } from "../wasm/fake-stream.ts";
import { open } from "../wasm/guests.ts";
import { compileFixture } from "./compile.ts";

let module: LoadedModule;
before(async () => {
  const loaded = await loadModule(compileFixture("grpc"));
  assert.ok(loaded.ok);
  module = loaded.module;
});

const answer = ({ receiver }: FakeGrpcStream): void => {
  receiver.onInitialMetadata(HeaderMap.from([["x-a", "1"]]));
  receiver.onMessage(Buffer.from("hello"));
  receiver.onTrailingMetadata(HeaderMap.from([["grpc-status", "0"]]));
  receiver.onClose(0, "");
};

interface Case {
  readonly name: string;
  readonly does: "call" | "open";
  run(stream: FakeGrpcStream, request: FakeStream): void;
  readonly said: readonly string[];
  readonly done: readonly string[];
}

const BEGUN = ["opened 0", "ended true false"];

const CASES: readonly Case[] = [
  { name: "a call", does: "call", run: answer, said: ["sent 0", "response 5 hello false"], done: ["send q true"] },
  {
    name: "a call that fails",
    does: "call",
    run: ({ receiver }) => receiver.onClose(14, "no"),
    said: ["sent 0", "closed 14 no"],
    done: ["send q true"],
  },
  {
    name: "a call whose stream is gone",
    does: "call",
    run: (stream, request) => {
      request.finish();
      answer(stream);
    },
    said: ["sent 0"],
    done: ["send q true"],
  },
  {
    name: "a stream",
    does: "open",
    run: answer,
    said: [...BEGUN, "initial 1 1", "message hello", "trailing 1 0", "closed 0 1 false"],
    done: ["send one false", "close"],
  },
  {
    name: "a stream that is cancelled in a callback",
    does: "open",
    run: (stream) => {
      stream.receiver.onMessage(Buffer.from("stop"));
      answer(stream);
    },
    said: [...BEGUN, "message stop", "cancelled true false"],
    done: ["send one false", "close", "cancel"],
  },
  {
    name: "a stream whose request is gone is cancelled at its next event",
    does: "open",
    run: (stream, request) => {
      request.finish();
      answer(stream);
    },
    said: BEGUN,
    done: ["send one false", "close", "cancel"],
  },
];

for (const { name, does, run, said, done } of CASES) {
  test(name, () => {
    const { services, factory } = open(module);
    const request = new FakeStream(factory, [["x-do", does]]);
    request.decodeHeaders();
    const [stream] = services.grpcStreams;
    run(stream, request);
    assert.deepEqual(
      services.lines.map((line) => line.slice("2 test: ".length)),
      said,
    );
    assert.deepEqual(stream.done, done);
  });
}
