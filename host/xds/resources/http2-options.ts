// core.v3.Http2ProtocolOptions of both sides. Defaults and the texts of refusals are Envoy's; what the fields must hold by themselves
// is checked from the .proto file.
import type { ConfigReader } from "../../config/extension.ts";
import type { Http2Keepalive, Http2Options } from "../../config/http2.ts";

/** What the codec takes from the messages around this one. */
export interface Http2Common {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly headersWithUnderscoresAction: Http2Options["headersWithUnderscoresAction"];
  /** stream_error_on_invalid_http_message of the connection manager, for when this message says nothing. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly streamFlushTimeoutMs: number;
}

const DEFAULT_JITTER_PERCENT = 15;
const ENABLE_PUSH = 2;
const INITIAL_WINDOW_SIZE = 4;
const MAX_WINDOW = 0x7fff_ffff;
const MAX_FRAME_SIZE = 5;
const ENABLE_CONNECT_PROTOCOL = 8;
/** Settings that have a field of their own. */
const NAMED: readonly (readonly [identifier: number, field: string])[] = [
  [1, "hpack_table_size"],
  [3, "max_concurrent_streams"],
  [INITIAL_WINDOW_SIZE, "initial_stream_window_size"],
];

export function parseHttp2Options(reader: ConfigReader | undefined, common: Http2Common): Http2Options {
  if (reader?.flag("allow_metadata")) reader.refuse("allow_metadata", "METADATA frames are not implemented");
  // It bounds METADATA frames alone.
  reader?.ignore("max_metadata_size");
  // There is one codec.
  reader?.ignore("use_oghttp2_codec");
  const custom = parseCustomSettings(reader);
  const named = (identifier: number, field: string, unset: number): number =>
    reader?.optionalNumber(field) ?? custom.find(([other]) => other === identifier)?.[1] ?? unset;
  const oldStreamError = reader?.flag("stream_error_on_invalid_http_messaging") ?? false;
  return {
    hpackTableSize: named(1, "hpack_table_size", 4096),
    maxConcurrentStreams: named(3, "max_concurrent_streams", 1024),
    initialStreamWindowSize: named(4, "initial_stream_window_size", 16 * 1024 * 1024),
    initialConnectionWindowSize: reader?.optionalNumber("initial_connection_window_size") ?? 24 * 1024 * 1024,
    allowConnect: reader?.flag("allow_connect") ?? false,
    maxOutboundFrames: reader?.optionalNumber("max_outbound_frames") ?? 10_000,
    maxOutboundControlFrames: reader?.optionalNumber("max_outbound_control_frames") ?? 1000,
    maxConsecutiveInboundFramesWithEmptyPayload: reader?.optionalNumber("max_consecutive_inbound_frames_with_empty_payload") ?? 1,
    maxInboundPriorityFramesPerStream: reader?.optionalNumber("max_inbound_priority_frames_per_stream") ?? 100,
    maxInboundWindowUpdateFramesPerDataFrameSent: reader?.optionalNumber("max_inbound_window_update_frames_per_data_frame_sent") ?? 10,
    streamErrorOnInvalidHttpMessage:
      reader?.optionalFlag("override_stream_error_on_invalid_http_message") ?? (oldStreamError || common.streamErrorOnInvalidHttpMessage),
    keepalive: parseKeepalive(reader?.message("connection_keepalive")),
    enableHuffmanEncoding: reader?.flag("enable_huffman_encoding", true) ?? true,
    maxHeaderFieldBytes: (reader?.optionalNumber("max_header_field_size_kb") ?? 64) * 1024,
    disallowObsText: reader?.flag("disallow_obs_text") ?? false,
    streamResetBurst: reader?.optionalNumber("stream_reset_burst") ?? 1000,
    streamResetRate: reader?.optionalNumber("stream_reset_rate") ?? 33,
    customSettings: custom.filter(([identifier]) => !NAMED.some(([other]) => other === identifier)),
    maxHeaderBytes: common.maxHeaderBytes,
    maxHeaders: common.maxHeaders,
    headersWithUnderscoresAction: common.headersWithUnderscoresAction,
    streamFlushTimeoutMs: common.streamFlushTimeoutMs,
  };
}

function parseCustomSettings(reader: ConfigReader | undefined): readonly (readonly [number, number])[] {
  const settings: (readonly [number, number])[] = [];
  for (const parameter of reader?.messages("custom_settings_parameters") ?? []) {
    const identifier = parameter.number("identifier");
    const value = parameter.number("value");
    const reason = refusal(reader, settings, identifier, value);
    if (reason !== undefined) parameter.refuse("identifier", reason);
    // ENABLE_PUSH 0 goes without saying.
    else if (identifier !== ENABLE_PUSH && !settings.some(([other]) => other === identifier)) settings.push([identifier, value]);
  }
  return settings;
}

function refusal(
  reader: ConfigReader | undefined,
  earlier: readonly (readonly [number, number])[],
  identifier: number,
  value: number,
): string | undefined {
  if (identifier === ENABLE_PUSH && value !== 0)
    return "server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.";
  if (identifier === ENABLE_CONNECT_PROTOCOL)
    return 'the "allow_connect" SETTINGS parameter must only be configured through the named field';
  if (identifier === MAX_FRAME_SIZE) return "frames of another size than 16384 bytes are not implemented";
  if (identifier === INITIAL_WINDOW_SIZE && value > MAX_WINDOW) return `value must be less than or equal to ${MAX_WINDOW}`;
  const field = NAMED.find(([other]) => other === identifier)?.[1];
  if (field !== undefined && reader?.has(field)) {
    return `the {${field}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`;
  }
  if (earlier.some(([other, set]) => other === identifier && set !== value)) {
    return `inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x${identifier.toString(16)}}`;
  }
  return undefined;
}

function parseKeepalive(reader: ConfigReader | undefined): Http2Keepalive | undefined {
  if (reader === undefined) return undefined;
  return {
    intervalMs: reader.optionalDurationMs("interval") ?? 0,
    timeoutMs: reader.optionalDurationMs("timeout") ?? 0,
    intervalJitterPercent: reader.message("interval_jitter")?.number("value") ?? DEFAULT_JITTER_PERCENT,
    connectionIdleIntervalMs: reader.optionalDurationMs("connection_idle_interval") ?? 0,
  };
}
