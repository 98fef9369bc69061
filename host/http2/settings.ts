// SETTINGS (RFC 9113 6.5): what the peer's say, and the bytes of ours.
import type { Http2Options } from "../config/http2.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  output,
  readUint32,
  reserve,
  Setting,
  writeFrameHeader,
  writeUint32,
} from "./frames.ts";

const ENTRY_BYTES = 6;
/** CVE-2020-11080: each entry costs work, and a frame could hold 2730. */
const MAX_ENTRIES = 32;
const LARGEST_FRAME = 0xff_ffff;
/** RFC 9113 6.5.2 recommends no fewer; what a server allows is not known before its SETTINGS come. */
const STREAMS_BEFORE_SETTINGS = 100;

export class PeerSettings {
  /** We are the server: the peer is the client. */
  readonly isServer: boolean;
  received = false;
  headerTableSize = 4096;
  maxConcurrentStreams = STREAMS_BEFORE_SETTINGS;
  initialWindowSize = DEFAULT_WINDOW;
  enableConnectProtocol = false;

  constructor(isServer: boolean) {
    this.isServer = isServer;
  }

  /** A payload, whose length fits; what is wrong with it. */
  read(bytes: Buffer, start: number, end: number): ErrorCode {
    if ((end - start) / ENTRY_BYTES > MAX_ENTRIES) return ErrorCode.EnhanceYourCalm;
    if (!this.received) {
      this.received = true;
      this.maxConcurrentStreams = 0xffff_ffff;
    }
    for (let at = start; at < end; at += ENTRY_BYTES) {
      const fault = this.set((bytes[at] << 8) | bytes[at + 1], readUint32(bytes, at + 2));
      if (fault !== ErrorCode.NoError) return fault;
    }
    return ErrorCode.NoError;
  }

  private set(identifier: number, value: number): ErrorCode {
    switch (identifier) {
      case Setting.HeaderTableSize:
        this.headerTableSize = value;
        break;
      case Setting.EnablePush:
        // Only a client says 1.
        if (value > (this.isServer ? 1 : 0)) return ErrorCode.ProtocolError;
        break;
      case Setting.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        break;
      case Setting.InitialWindowSize:
        if (value > MAX_WINDOW) return ErrorCode.FlowControlError;
        this.initialWindowSize = value;
        break;
      case Setting.MaxFrameSize:
        // Larger frames than everybody must take are of no use to us.
        if (value < MAX_FRAME_BYTES || value > LARGEST_FRAME) return ErrorCode.ProtocolError;
        break;
      case Setting.EnableConnectProtocol:
        // RFC 8441 3: it cannot be taken back.
        if (value > 1 || (this.enableConnectProtocol && value === 0)) return ErrorCode.ProtocolError;
        this.enableConnectProtocol = value === 1;
        break;
      default:
      // Unknown ones are ignored.
    }
    return ErrorCode.NoError;
  }
}

/** Our SETTINGS frame into the output block, with the entries that Envoy sends, in its order; the frame's length. */
export function writeLocalSettings(options: Http2Options, isServer: boolean): number {
  const entries: (readonly [number, number])[] = isServer ? [] : [[Setting.EnablePush, 0]];
  entries.push([Setting.HeaderTableSize, options.hpackTableSize]);
  if (options.allowConnect) entries.push([Setting.EnableConnectProtocol, 1]);
  entries.push([Setting.MaxConcurrentStreams, options.maxConcurrentStreams], [Setting.InitialWindowSize, options.initialStreamWindowSize]);
  entries.push(...options.customSettings);
  const length = entries.length * ENTRY_BYTES;
  reserve(FRAME_HEADER_BYTES + length);
  const bytes = output.bytes;
  let at = output.used;
  writeFrameHeader(bytes, at, length, FrameType.Settings, 0, 0);
  at += FRAME_HEADER_BYTES;
  for (const [identifier, value] of entries) {
    bytes[at] = identifier >>> 8;
    bytes[at + 1] = identifier;
    writeUint32(bytes, at + 2, value);
    at += ENTRY_BYTES;
  }
  return FRAME_HEADER_BYTES + length;
}
