// Modules that trap: what becomes of the stream, of the streams after it, and of the plugins that share the VM.
import { bootstrap, get, post, wasmFilter } from "../config.ts";
import type { ParityCase, ParityGroup, ParityRequest } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { run, send } from "./wasm-support.ts";

const ANSWERS = {
  "/chunks": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n<delay:30>3\r\nabc\r\n<delay:30>3\r\ndef\r\n<delay:30>0\r\n\r\n",
  "/check": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
};

/** The first one takes its time, so that the back-off is over. */
const AFTER: readonly ParityRequest[] = [{ raw: "GET /up HTTP/1.1\r\n", later: ["host: a.example\r\n\r\n"] }, get("/up")];

/** A group each: the back-off of the next trap would be longer here. */
const reload = (name: string, first: ParityRequest, more: Partial<ParityCase> = {}): ParityGroup => ({
  name: `wasm FAIL_RELOAD, ${name}`,
  config: (ports) =>
    bootstrap(ports, {
      httpFilters: [
        wasmFilter("probe", compiledModule("probe"), undefined, {
          failure_policy: "FAIL_RELOAD",
          reload_config: { backoff: { base_interval: "0.01s" } },
        }),
      ],
    }),
  upstream: ANSWERS,
  cases: [{ name: "the stream, and those after the back-off", requests: [first, ...AFTER], ...more }],
});

export const wasmReloads: readonly ParityGroup[] = [
  reload("trap in request headers", run("rh:trap")),
  reload("trap in the request body", send("rb:trap"), {
    without: { parts: ["upstream", "log"], why: "the request under way is cut off: whether the upstream saw it is a matter of time" },
  }),
  reload("trap in response headers", run("sh:trap")),
  reload("trap in the response body", { ...run("sb:trap", "/chunks"), end: true }),
  reload("trap in the log", run("log:trap")),
  reload("trap in done", run("done:trap")),
  reload("trap in delete", run("delete:trap")),
  reload("memory without end", run("rh:grow")),
];

export const wasmClosed: ParityGroup = {
  name: "wasm FAIL_CLOSED",
  config: (ports) =>
    bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined, { failure_policy: "FAIL_CLOSED" })] }),
  upstream: ANSWERS,
  cases: [
    { name: "before", requests: [run("rh:get 0 :path")] },
    { name: "trap in response headers", requests: [run("sh:trap")] },
    {
      name: "every request after it",
      requests: [
        get("/up"),
        post("/up", "abc"),
        get("/up", "content-type: application/grpc"),
        { raw: "HEAD /up HTTP/1.1\r\nhost: a\r\n\r\n", quietMs: 200 },
      ],
    },
  ],
};

export const wasmOpen: ParityGroup = {
  name: "wasm FAIL_OPEN",
  config: (ports) =>
    bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined, { failure_policy: "FAIL_OPEN" })] }),
  upstream: ANSWERS,
  cases: [
    { name: "before", requests: [run("rh:get 0 :path")] },
    {
      name: "trap in request headers",
      requests: [run("rh:trap")],
      differs: "the request whose callback trapped passes here; Envoy answers it 503 and lets only later ones pass",
    },
    { name: "every request after it", requests: [get("/up"), post("/up", "abc")] },
  ],
};

/** Two plugins in one VM, a third with the same module in another. */
export const wasmSharedVm: ParityGroup = {
  name: "wasm shared VM",
  config: (ports) => {
    const path = compiledModule("probe");
    const vm = (id: string): object => ({
      vm_config: { vm_id: id, runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } },
      failure_policy: "FAIL_OPEN",
    });
    return bootstrap(ports, {
      httpFilters: [
        wasmFilter("one", path, "#rh:prop plugin_name", vm("same")),
        wasmFilter("two", path, "#rh:prop plugin_name", vm("same")),
        wasmFilter("three", path, "#rh:prop plugin_name", vm("other")),
      ],
    });
  },
  cases: [
    { name: "each has its own configuration", requests: [get("/up")] },
    {
      name: "they share their data",
      requests: [get("/up", "x-do-one: rh:shared-set k v", "x-do-two: rh:shared-get k", "x-do-three: rh:shared-get k")],
    },
    { name: "a trap of one ends the other, and nothing else", requests: [get("/up", "x-do-two: log:trap"), get("/up")] },
  ],
};
