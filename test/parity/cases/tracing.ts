// Whether a request is traced, in its id: thresholds of sampling, requests that ask, ids that say so already or are none.
import { bootstrap, get } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const rest = "-0000-4000-8000-000000000000";
/** Draws are the first eight digits modulo 10,000. */
const IDS: readonly string[] = [
  ...[0, 99, 100, 4999, 5000, 9999, 14_999, 15_000].map((draw) => draw.toString(16).padStart(8, "0") + rest),
  ...["9", "a", "b", "5", "c"].map((reason) => `00001387-0000-${reason}000-8000-000000000000`),
  `zzzzzzzz${rest}`,
  "short",
  `00001387${rest}0`,
  `0000138F${rest}`,
];
const ASKS: readonly (readonly string[])[] = [[], ["x-client-trace-id: 1"], ["x-envoy-force-trace: true"]];

const SAMPLINGS: Readonly<Record<string, object>> = {
  defaults: {},
  none: { client_sampling: { value: 0 }, random_sampling: { value: 0 }, overall_sampling: { value: 100 } },
  half: { random_sampling: { value: 50 } },
  "one percent": { client_sampling: { value: 100 }, random_sampling: { value: 1 }, overall_sampling: { value: 100 } },
  "half overall": { random_sampling: { value: 100 }, overall_sampling: { value: 50 } },
};
const EXTENSION = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
const EXTENSIONS: Readonly<Record<string, object>> = {
  "not packed": { pack_trace_reason: false },
  "not used": { use_request_id_for_trace_sampling: false },
};

function group(name: string, hcm: object): ParityGroup {
  return {
    name: `tracing: ${name}`,
    config: (ports) => bootstrap(ports, { hcm, logFormat: { text_format_source: { inline_string: "%REQ(X-REQUEST-ID):15%\n" } } }),
    cases: ASKS.map((lines) => ({
      name: lines.length === 0 ? "no wish" : lines[0],
      requests: IDS.map((id) => get("/", `x-request-id: ${id}`, ...lines)),
    })),
  };
}

export const tracing: readonly ParityGroup[] = [
  ...Object.entries(SAMPLINGS).map(([name, fields]) => group(name, { tracing: fields })),
  ...Object.entries(EXTENSIONS).map(([name, fields]) =>
    group(name, { tracing: {}, request_id_extension: { typed_config: { "@type": EXTENSION, ...fields } } }),
  ),
];
