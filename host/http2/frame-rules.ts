// What a frame's header alone says is wrong with it (RFC 9113 4.2, 6): its length, and the stream that it names.
import { ErrorCode, Flag, FrameType, MAX_FRAME_BYTES } from "./frames.ts";

const { NoError, ProtocolError, FrameSizeError } = ErrorCode;

/** NoError when such a frame may come. */
export function checkFrameHeader(length: number, type: number, flags: number, streamId: number): ErrorCode {
  if (length > MAX_FRAME_BYTES) return FrameSizeError;
  switch (type) {
    case FrameType.Data:
    case FrameType.Headers:
    case FrameType.Continuation:
      return streamId === 0 ? ProtocolError : NoError;
    case FrameType.Priority:
      return streamId === 0 ? ProtocolError : exactly(length, 5);
    case FrameType.RstStream:
      return streamId === 0 ? ProtocolError : exactly(length, 4);
    case FrameType.Settings:
      if (streamId !== 0) return ProtocolError;
      return exactly((flags & Flag.Ack) !== 0 ? length : length % 6, 0);
    case FrameType.PushPromise:
      // We never allow it (RFC 9113 6.6, 8.4).
      return ProtocolError;
    case FrameType.Ping:
      return streamId !== 0 ? ProtocolError : exactly(length, 8);
    case FrameType.GoAway:
      return streamId !== 0 ? ProtocolError : length < 8 ? FrameSizeError : NoError;
    case FrameType.WindowUpdate:
      return exactly(length, 4);
    default:
      return NoError;
  }
}

function exactly(length: number, expected: number): ErrorCode {
  return length === expected ? NoError : FrameSizeError;
}
