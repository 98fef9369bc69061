// Why a stream was reset, in the words of the codec interface and in the codes of RFC 9113 7.
import type { StreamResetReason } from "../http/codec.ts";
import { ErrorCode } from "./frames.ts";

/** What the peer tells. */
export function resetReason(code: number): StreamResetReason {
  switch (code) {
    case ErrorCode.RefusedStream:
      return "RemoteRefusedStreamReset";
    case ErrorCode.ConnectError:
      return "ConnectError";
    case ErrorCode.ProtocolError:
      return "ProtocolError";
    default:
      return "RemoteReset";
  }
}

/** What the peer is told (Envoy's reset_with_error). */
export function resetCode(reason: StreamResetReason): ErrorCode {
  switch (reason) {
    case "LocalRefusedStreamReset":
      return ErrorCode.RefusedStream;
    case "ConnectionFailure":
      return ErrorCode.ConnectError;
    case "ProtocolError":
      return ErrorCode.ProtocolError;
    default:
      return ErrorCode.InternalError;
  }
}
