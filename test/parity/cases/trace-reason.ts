// The mark in x-request-id that says whether a request is traced.
import { bootstrap, get } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

// The dice that it throws: 0xf4dca0a9 % 10000 = 6585.
const id = (mark: string): string => `x-request-id: f4dca0a9-12c7-${mark}307-8002-969403baf480`;

const value = (percent: number): object => ({ value: percent });

function group(name: string, tracing: object | undefined, hcm: object = {}): ParityGroup {
  return {
    name: `trace reason: ${name}`,
    config: (ports) => bootstrap(ports, { hcm: { tracing, preserve_external_request_id: true, use_remote_address: true, ...hcm } }),
    cases: [
      ...["4", "9", "a", "b", "5"].map((mark) => ({ name: `the mark ${mark}`, requests: [get("/a", id(mark))] })),
      { name: "the client asks", requests: [get("/a", id("4"), "x-client-trace-id: 1")] },
      { name: "a service asks", requests: [get("/a", id("4"), "x-envoy-force-trace: true")] },
      { name: "no UUID", requests: [get("/a", "x-request-id: abc")] },
      { name: "36 characters that are none", requests: [get("/a", "x-request-id: zzzzzzzz-12c7-4307-8002-969403baf480")] },
    ],
  };
}

export const traceReasons: readonly ParityGroup[] = [
  group("everything", {}),
  group("nothing", { client_sampling: value(0), random_sampling: value(0), overall_sampling: value(0) }),
  group("below the dice", { client_sampling: value(100), random_sampling: value(65.85), overall_sampling: value(100) }),
  group("above the dice", { client_sampling: value(0), random_sampling: value(65.86), overall_sampling: value(100) }),
  group("not at the edge", { random_sampling: value(0) }, { use_remote_address: false }),
  group("not at the edge, not over all", { random_sampling: value(0), overall_sampling: value(50) }, { use_remote_address: false }),
  group("without tracing", undefined),
  group("without tracing, not at the edge", undefined, { use_remote_address: false }),
  group("not over all", { client_sampling: value(100), random_sampling: value(100), overall_sampling: value(50) }),
];
