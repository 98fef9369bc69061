// Http2ProtocolOptions: Envoy's defaults, what each field becomes, and what is refused in Envoy's words.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Http2Options } from "../../../host/config/http2.ts";
import { decodeMessage } from "../../../host/xds/json-decode.ts";
import type { Json } from "../../../host/xds/message.ts";
import { formatProblem, Problems } from "../../../host/xds/problems.ts";
import { MessageReader } from "../../../host/xds/reader.ts";
import { type Http2Common, parseHttp2Options } from "../../../host/xds/resources/http2-options.ts";

const TYPE = "envoy.config.core.v3.Http2ProtocolOptions";
const COMMON: Http2Common = {
  maxHeaderBytes: 61_440,
  maxHeaders: 100,
  headersWithUnderscoresAction: "ALLOW",
  streamErrorOnInvalidHttpMessage: false,
  streamFlushTimeoutMs: 300_000,
};

function parse(json: Json, common: Partial<Http2Common> = {}): readonly [Http2Options, string[]] {
  const problems = new Problems();
  const reader = new MessageReader(decodeMessage(TYPE, json, "h2", problems), "h2", problems);
  const options = parseHttp2Options(reader, { ...COMMON, ...common });
  reader.finish();
  return [options, problems.list().map(formatProblem)];
}

const DEFAULTS: Http2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16_777_216,
  initialConnectionWindowSize: 25_165_824,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamErrorOnInvalidHttpMessage: false,
  keepalive: undefined,
  enableHuffmanEncoding: true,
  maxHeaderFieldBytes: 65_536,
  disallowObsText: false,
  streamResetBurst: 1000,
  streamResetRate: 33,
  customSettings: [],
  maxHeaderBytes: 61_440,
  maxHeaders: 100,
  headersWithUnderscoresAction: "ALLOW",
  streamFlushTimeoutMs: 300_000,
};

test("nothing said, or an empty message: Envoy's defaults", () => {
  assert.deepEqual(parseHttp2Options(undefined, COMMON), DEFAULTS);
  assert.deepEqual(parse({}), [DEFAULTS, []]);
});

const ACCEPTED: readonly (readonly [Json, Partial<Http2Options>, Partial<Http2Common>?])[] = [
  [
    { hpack_table_size: 0, max_concurrent_streams: 7 },
    { hpackTableSize: 0, maxConcurrentStreams: 7 },
  ],
  [
    { initial_stream_window_size: 65_535, initial_connection_window_size: 1_048_576 },
    { initialStreamWindowSize: 65_535, initialConnectionWindowSize: 1_048_576 },
  ],
  [
    { allow_connect: true, disallow_obs_text: true, enable_huffman_encoding: false },
    { allowConnect: true, disallowObsText: true, enableHuffmanEncoding: false },
  ],
  [
    { max_outbound_frames: 5, max_outbound_control_frames: 6 },
    { maxOutboundFrames: 5, maxOutboundControlFrames: 6 },
  ],
  [
    {
      max_consecutive_inbound_frames_with_empty_payload: 2,
      max_inbound_priority_frames_per_stream: 3,
      max_inbound_window_update_frames_per_data_frame_sent: 4,
    },
    {
      maxConsecutiveInboundFramesWithEmptyPayload: 2,
      maxInboundPriorityFramesPerStream: 3,
      maxInboundWindowUpdateFramesPerDataFrameSent: 4,
    },
  ],
  [
    { max_header_field_size_kb: 128, stream_reset_burst: "50", stream_reset_rate: 5 },
    { maxHeaderFieldBytes: 131_072, streamResetBurst: 50, streamResetRate: 5 },
  ],
  [{ override_stream_error_on_invalid_http_message: true }, { streamErrorOnInvalidHttpMessage: true }],
  [{ stream_error_on_invalid_http_messaging: true }, { streamErrorOnInvalidHttpMessage: true }],
  [{ stream_error_on_invalid_http_messaging: true, override_stream_error_on_invalid_http_message: false }, {}],
  [{}, { streamErrorOnInvalidHttpMessage: true }, { streamErrorOnInvalidHttpMessage: true }],
  [{ override_stream_error_on_invalid_http_message: false }, {}, { streamErrorOnInvalidHttpMessage: true }],
  [{ use_oghttp2_codec: true, max_metadata_size: 5 }, {}],
  [
    { connection_keepalive: { interval: "30s", timeout: "5s" } },
    { keepalive: { intervalMs: 30_000, timeoutMs: 5000, intervalJitterPercent: 15, connectionIdleIntervalMs: 0 } },
  ],
  [
    { connection_keepalive: { timeout: "5s", interval_jitter: { value: 0 }, connection_idle_interval: "60s" } },
    { keepalive: { intervalMs: 0, timeoutMs: 5000, intervalJitterPercent: 0, connectionIdleIntervalMs: 60_000 } },
  ],
  [
    {
      custom_settings_parameters: [
        { identifier: 99, value: 5 },
        { identifier: 2, value: 0 },
        { identifier: 4, value: 100 },
      ],
    },
    { customSettings: [[99, 5]], initialStreamWindowSize: 100 },
  ],
];

for (const [json, expected, common] of ACCEPTED) {
  test(`accepted: ${JSON.stringify(json)}${common === undefined ? "" : ` in ${JSON.stringify(common)}`}`, () => {
    assert.deepEqual(parse(json, common), [{ ...DEFAULTS, ...expected }, []]);
  });
}

const custom = (...list: readonly (readonly [number, number])[]): Json => list.map(([identifier, value]) => ({ identifier, value }));
const at = "h2.custom_settings_parameters";
const REFUSED: readonly (readonly [Json, string])[] = [
  [{ allow_metadata: true }, "h2.allow_metadata: METADATA frames are not implemented"],
  [{ max_concurrent_streams: 0 }, "h2.max_concurrent_streams: value must be inside range [1, 2147483647]"],
  [{ initial_stream_window_size: 65_534 }, "h2.initial_stream_window_size: value must be inside range [65535, 2147483647]"],
  [{ connection_keepalive: { interval: "1s" } }, "h2.connection_keepalive.timeout: value is required"],
  [
    { custom_settings_parameters: custom([2, 1]) },
    `${at}[0].identifier: server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.`,
  ],
  [
    { custom_settings_parameters: custom([8, 1]) },
    `${at}[0].identifier: the "allow_connect" SETTINGS parameter must only be configured through the named field`,
  ],
  [{ custom_settings_parameters: custom([5, 20_000]) }, `${at}[0].identifier: frames of another size than 16384 bytes are not implemented`],
  [{ custom_settings_parameters: custom([4, 0x8000_0000]) }, `${at}[0].identifier: value must be less than or equal to 2147483647`],
  [
    { hpack_table_size: 1, custom_settings_parameters: custom([1, 1]) },
    `${at}[0].identifier: the {hpack_table_size} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`,
  ],
  [
    { custom_settings_parameters: custom([99, 1], [99, 2]) },
    `${at}[1].identifier: inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x63}`,
  ],
];

for (const [json, problem] of REFUSED) {
  test(`refused: ${JSON.stringify(json)}`, () => assert.deepEqual(parse(json)[1], [problem]));
}
