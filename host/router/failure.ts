// How an upstream failure becomes an answer: status, body, response code details and flags in Envoy's words (Router::Filter).
import type { StreamResetReason } from "../http/codec.ts";
import { ResponseFlag } from "../http/stream-info.ts";
import { isTlsErrorText } from "../net/tls-errors.ts";
import type { PoolFailure } from "../upstream/conn-pool.ts";

export type UpstreamFailureReason =
  | "remote connection failure"
  | "connection timeout"
  | "connection termination"
  | "remote reset"
  | "remote refused stream reset"
  | "local refused stream reset"
  | "local reset"
  | "remote error with CONNECT request"
  | "protocol error"
  | "overflow";

interface FailureRow {
  readonly status: number;
  readonly flag: number;
}

const FAILURES: Readonly<Record<UpstreamFailureReason, FailureRow>> = {
  "remote connection failure": { status: 503, flag: ResponseFlag.UpstreamConnectionFailure },
  "connection timeout": { status: 503, flag: ResponseFlag.UpstreamConnectionFailure },
  "connection termination": { status: 503, flag: ResponseFlag.UpstreamConnectionTermination },
  "remote reset": { status: 503, flag: ResponseFlag.UpstreamRemoteReset },
  "remote refused stream reset": { status: 503, flag: ResponseFlag.UpstreamRemoteReset },
  "local refused stream reset": { status: 503, flag: ResponseFlag.LocalReset },
  "local reset": { status: 503, flag: ResponseFlag.LocalReset },
  "remote error with CONNECT request": { status: 503, flag: ResponseFlag.UpstreamRemoteReset },
  "protocol error": { status: 502, flag: ResponseFlag.UpstreamProtocolError },
  overflow: { status: 503, flag: ResponseFlag.UpstreamOverflow },
};

export interface UpstreamFailure {
  readonly reason: UpstreamFailureReason;
  /** %UPSTREAM_TRANSPORT_FAILURE_REASON%, "" when there is none. */
  readonly transport: string;
}

export function failureOfPool(reason: PoolFailure, details: string): UpstreamFailure {
  switch (reason) {
    case "Overflow":
      return { reason: "overflow", transport: "" };
    case "ConnectionTimeout":
      return { reason: "connection timeout", transport: "" };
    case "ConnectionFailure":
      return {
        reason: "remote connection failure",
        transport: isTlsErrorText(details) ? details : `delayed connect error: ${errnoText(details)}`,
      };
  }
}

export function failureOfReset(reason: StreamResetReason): UpstreamFailure {
  switch (reason) {
    case "ProtocolError":
      return { reason: "protocol error", transport: "" };
    case "ConnectionTermination":
      return { reason: "connection termination", transport: "" };
    case "ConnectionFailure":
      return { reason: "remote connection failure", transport: "" };
    case "ConnectError":
      return { reason: "remote error with CONNECT request", transport: "" };
    case "RemoteReset":
      return { reason: "remote reset", transport: "" };
    case "RemoteRefusedStreamReset":
      return { reason: "remote refused stream reset", transport: "" };
    case "LocalRefusedStreamReset":
      return { reason: "local refused stream reset", transport: "" };
    case "LocalReset":
      return { reason: "local reset", transport: "" };
    case "Overflow":
      return { reason: "overflow", transport: "" };
  }
}

/** strerror() of what Node calls by its symbol. */
const ERRNO_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "Connection timed out",
  EADDRNOTAVAIL: "Cannot assign requested address",
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EPIPE: "Broken pipe",
};

function errnoText(code: string): string {
  return ERRNO_TEXT[code] ?? code;
}

export function failureStatus(failure: UpstreamFailure): number {
  return FAILURES[failure.reason].status;
}

export function failureFlag(failure: UpstreamFailure): number {
  return FAILURES[failure.reason].flag;
}

export function failureBody(failure: UpstreamFailure, retried = false): string {
  return `upstream connect error or disconnect/reset before headers. ${retried ? "retried and the latest reset" : "reset"} reason: ${failure.reason}`;
}

/** `phase`: whether response headers had gone to the client. */
export function failureDetails(failure: UpstreamFailure, phase: "before" | "after"): string {
  const reason = failure.reason.replaceAll(" ", "_");
  const transport = failure.transport === "" ? "" : `|${failure.transport}`;
  return `upstream_reset_${phase}_response_started{${reason}${transport}}`;
}
