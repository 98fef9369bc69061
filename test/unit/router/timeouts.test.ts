// The timeouts of a request, from route, retry policy and headers (Envoy: FilterUtility::finalTimeout; gRPC over HTTP/2: grpc-timeout).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteAction } from "../../../host/config/route.ts";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { parseGrpcTimeout } from "../../../host/http/grpc.ts";
import { finalTimeouts } from "../../../host/router/timeouts.ts";
import { type Fields, makeSnapshot } from "../../support/data-plane.ts";
import { managerOf } from "../../support/chains.ts";

const GRPC: readonly (readonly [text: string, ms: number | undefined])[] = [
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3000],
  ["4m", 4],
  ["5000u", 5],
  ["1u", 1],
  ["1n", 1],
  ["99999999H", 359_999_996_400_000],
  ["100000000S", undefined],
  ["1", undefined],
  ["S", undefined],
  ["-1S", undefined],
  ["1.5S", undefined],
  [" 1S", undefined],
  ["1s", undefined],
  ["", undefined],
];
for (const [text, ms] of GRPC) test(`grpc-timeout "${text}"`, () => assert.equal(parseGrpcTimeout(text), ms));

interface Case {
  readonly name: string;
  readonly route?: Fields;
  readonly headers?: readonly (readonly [string, string])[];
  readonly routeMs: number;
  readonly perTryMs?: number;
  readonly status?: number;
  readonly expected?: string;
}
const CASES: readonly Case[] = [
  { name: "default", routeMs: 15_000, expected: "15000" },
  { name: "none", route: { timeout: "0s" }, routeMs: 0 },
  { name: "of the route", route: { timeout: "2.5s" }, routeMs: 2500, expected: "2500" },
  { name: "of the request", headers: [["x-envoy-upstream-rq-timeout-ms", "70"]], routeMs: 70, expected: "70" },
  { name: "of the request, malformed", headers: [["x-envoy-upstream-rq-timeout-ms", "7x"]], routeMs: 15_000, expected: "15000" },
  { name: "per try", route: { retry_policy: { per_try_timeout: "1s" } }, routeMs: 15_000, perTryMs: 1000, expected: "1000" },
  {
    name: "per try of the request",
    headers: [["x-envoy-upstream-rq-per-try-timeout-ms", "20"]],
    routeMs: 15_000,
    perTryMs: 20,
    expected: "20",
  },
  {
    name: "per try as long as the whole means nothing",
    route: { timeout: "1s", retry_policy: { per_try_timeout: "1s" } },
    routeMs: 1000,
    expected: "1000",
  },
  {
    name: "another status",
    headers: [["x-envoy-upstream-rq-timeout-alt-response", "204"]],
    routeMs: 15_000,
    status: 204,
    expected: "15000",
  },
];
for (const given of CASES) {
  test(`timeouts: ${given.name}`, () => {
    const [listener] = makeSnapshot(
      [{ name: "c", routes: [{ match: { prefix: "/" }, route: { cluster: "c", ...given.route } }] }],
      [{ name: "c", ports: [] }],
    ).listeners;
    const manager = managerOf(listener);
    const router = manager.httpFilters[manager.httpFilters.length - 1];
    const table = manager.routes.kind === "inline" ? manager.routes.config : undefined;
    const action = table?.virtualHosts[0].routes[0].action as RouteAction;
    const headers = HeaderMap.from(given.headers ?? []);
    if (router.kind !== "router") throw new Error("the last filter is not the router");
    const made = finalTimeouts(action, action.retryPolicy, headers, router.config);
    assert.deepEqual([made.routeMs, made.perTryMs, made.timeoutStatus], [given.routeMs, given.perTryMs ?? 0, given.status ?? 504]);
    assert.equal(headers.get("x-envoy-expected-rq-timeout-ms"), given.expected);
    for (const [name] of given.headers ?? []) assert.ok(!headers.has(name), `${name} is the router's and goes no further`);
  });
}
