// State beyond the stream, foreign functions, and the forms of a configuration.
import { bootstrap, get, wasmFilter } from "../config.ts";
import type { ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { run } from "./wasm-support.ts";

const pack = (name: string): string => `hex:${Buffer.from(name).toString("hex")}`;

export const wasmState: ParityGroup = {
  name: "wasm shared state",
  config: (ports) =>
    bootstrap(ports, {
      httpFilters: [
        wasmFilter("probe", compiledModule("probe"), "#conf:metric 0 at-start;rh:shared-get none", {
          vm_config: { vm_id: "vm-a", runtime: "envoy.wasm.runtime.v8", code: { local: { filename: compiledModule("probe") } } },
        }),
        wasmFilter("other", compiledModule("probe"), "#rh:shared-get none", {
          vm_config: { vm_id: "vm-b", runtime: "envoy.wasm.runtime.v8", code: { local: { filename: compiledModule("probe") } } },
        }),
      ],
    }),
  cases: [
    {
      name: "shared data",
      requests: [
        run(
          "rh:shared-get k|shared-set k one|shared-get k|shared-set k two 1|shared-get k|shared-set k three 99|shared-get k|shared-set k ^|shared-get k",
        ),
        run("rh:shared-get k"),
      ],
    },
    {
      name: "shared data: version of a key that is not there",
      requests: [run("rh:shared-set fresh one 77|shared-get fresh|shared-set ^ empty-key|shared-get ^")],
    },
    {
      name: "shared data of another vm id",
      requests: [get("/up", "x-do-probe: rh:shared-set z one", "x-do-other: rh:shared-get z|prop plugin_vm_id")],
    },
    {
      name: "queues",
      requests: [
        run(
          "rh:queue-resolve vm-a q1|queue-register q1|queue-register q1|queue-resolve vm-a q1|queue-resolve ^ q1|queue-resolve nope q1|dequeue 1|enqueue 1 a|enqueue 1 b|dequeue 1|dequeue 1|dequeue 1|enqueue 99 x|dequeue 99",
        ),
      ],
    },
    {
      name: "queue of another vm",
      requests: [get("/up", "x-do-probe: rh:enqueue 1 mail", "x-do-other: rh:queue-resolve vm-a q1|dequeue 1|queue-register q2")],
    },
    { name: "counters", requests: [run("rh:metric 0 c.one ? +2 ? =3 ? -1 ? +0")], stats: ["wasmcustom.c.one"] },
    { name: "gauges", requests: [run("rh:metric 1 g.one ? +2 -1 ? =9 ?")], stats: ["wasmcustom.g.one"] },
    { name: "histograms", requests: [run("rh:metric 2 h.one =3 +1 ?")] },
    { name: "metrics by strange names", requests: [run("rh:metric 0 a~b=c.d +1 ?|metric 0 ^|metric 0 c.one ?|no-metric")] },
    { name: "a name of two kinds", requests: [run("rh:metric 0 both +1 ?|metric 1 both =5 ?|metric 0 both ?")] },
    {
      name: "foreign functions",
      requests: [
        run(
          `rh:foreign nope x|foreign ^ x|foreign uncompress ${pack("garbage")}|foreign uncompress hex:789ccb48cdc9c907000 62c0215|foreign clear_route_cache ^`,
        ),
      ],
    },
    {
      name: "compress and uncompress",
      requests: [run("rh:foreign compress hello|foreign uncompress hex:789ccb48cdc9c90700062c0215|foreign uncompress hex:789ccb48")],
    },
    {
      name: "declare_property",
      requests: [
        run(
          "rh:foreign declare_property hex:0a0161|foreign declare_property hex:0a0161|setprop a 1|prop a|foreign declare_property hex:ff",
        ),
      ],
    },
    {
      name: "set_envoy_filter_state",
      requests: [run("rh:foreign set_envoy_filter_state hex:0a0161120162|foreign set_envoy_filter_state hex:ff")],
      differs: "every name is taken here and its value kept as bytes; Envoy takes names that have an object factory",
    },
    {
      name: "expressions",
      requests: [run("rh:foreign expr_create request.method|foreign expr_evaluate hex:00000000|foreign expr_delete hex:00000000")],
      differs: "the expr_* foreign functions need a CEL compiler, which is not here",
    },
  ],
};

const ANY = "type.googleapis.com/";
const form = (name: string, configuration: object | undefined, vmConfiguration: object | undefined, more: object = {}): object =>
  wasmFilter(name, compiledModule("probe"), undefined, {
    vm_config: {
      vm_id: name,
      runtime: "envoy.wasm.runtime.v8",
      code: { local: { filename: compiledModule("probe") } },
      ...(vmConfiguration === undefined ? {} : { configuration: vmConfiguration }),
    },
    ...(configuration === undefined ? {} : { configuration }),
    ...more,
  });

export const wasmConfiguration: ParityGroup = {
  name: "wasm configuration",
  config: (ports) =>
    bootstrap(ports, {
      httpFilters: [
        form("absent", undefined, undefined),
        form(
          "text",
          { "@type": `${ANY}google.protobuf.StringValue`, value: "plain" },
          { "@type": `${ANY}google.protobuf.StringValue`, value: "vm" },
        ),
        form(
          "bytes",
          { "@type": `${ANY}google.protobuf.BytesValue`, value: "AAEC/w==" },
          { "@type": `${ANY}google.protobuf.BytesValue`, value: "/w==" },
        ),
        form(
          "struct",
          { "@type": `${ANY}google.protobuf.Struct`, value: { a: 1 } },
          { "@type": `${ANY}google.protobuf.Struct`, value: { b: "c" } },
        ),
        form("other", { "@type": `${ANY}google.protobuf.Duration`, value: "3s" }, undefined),
        form("empty", { "@type": `${ANY}google.protobuf.StringValue`, value: "" }, undefined),
        form("bound", { "@type": `${ANY}google.protobuf.StringValue`, value: "#rh:ret 0" }, undefined, {
          capability_restriction_config: {
            allowed_capabilities: Object.fromEntries(
              [
                "proxy_on_context_create",
                "proxy_on_vm_start",
                "proxy_on_configure",
                "proxy_on_request_headers",
                "proxy_on_memory_allocate",
                "proxy_log",
                "proxy_get_log_level",
                "proxy_get_buffer_bytes",
                "proxy_get_property",
                "proxy_get_header_map_value",
                "proxy_on_delete",
              ].map((name) => [name, {}]),
            ),
          },
        }),
      ],
    }),
  cases: [
    ...["absent", "text", "bytes", "struct", "other", "empty"].map((name) => ({
      name: `configuration: ${name}`,
      requests: [get("/up", `x-do-${name}: rh:seen`)],
    })),
    {
      name: "capabilities that are not allowed",
      requests: [
        get(
          "/up",
          "x-do-bound: *:;rh:get 0 :path|add 0 x-a 1|set 0 x-a 1|dump 0|foreign compress x|shared-set a b|metric 0 m +1|effective self|reply 403 no|prop plugin_name",
        ),
      ],
    },
  ],
};
