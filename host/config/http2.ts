// HTTP/2 as the data plane believes it: envoy.config.core.v3.Http2ProtocolOptions with Envoy's defaults resolved, and what the codec
// needs of the common options beside it. The same for both sides; durations in milliseconds (0 = off).

export interface Http2Options {
  /** Both ways: what we let the peer's encoder use, and the most that ours uses. Default 4096. */
  readonly hpackTableSize: number;
  /** Streams that the peer (server) or we (client) may have open at once. Default 1024. */
  readonly maxConcurrentStreams: number;
  /** Defaults 16 MiB and 24 MiB. */
  readonly initialStreamWindowSize: number;
  readonly initialConnectionWindowSize: number;
  /** Extended CONNECT (RFC 8441). */
  readonly allowConnect: boolean;
  /** Frames that may wait to be written: of every kind, and those that answer frames of the peer. Defaults 10000, 1000. */
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  /** Defaults 1, 100, 10. */
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** True: a malformed message ends its stream; false: the connection. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly keepalive: Http2Keepalive | undefined;
  readonly enableHuffmanEncoding: boolean;
  /** One field, name and value. Default 64 KiB. */
  readonly maxHeaderFieldBytes: number;
  readonly disallowObsText: boolean;
  /** Streams that the peer may reset at once and in each second. Defaults 1000, 33. */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
  /** Identifiers and values that are sent as they are, beside those named above. */
  readonly customSettings: readonly (readonly [identifier: number, value: number])[];
  /** From HttpProtocolOptions and the connection manager. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly headersWithUnderscoresAction: "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";
  /** How long the end of a message may wait for the peer to open its window. */
  readonly streamFlushTimeoutMs: number;
}

export interface Http2Keepalive {
  /** Between PINGs; 0: none are sent by the clock. */
  readonly intervalMs: number;
  /** How long the answer may take. */
  readonly timeoutMs: number;
  /** Up to so much of the interval is added. */
  readonly intervalJitterPercent: number;
  /** A PING goes with a new stream when nothing came for so long. */
  readonly connectionIdleIntervalMs: number;
}
