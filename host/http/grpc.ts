// What the HTTP layer knows of gRPC (gRPC over HTTP/2: requests, responses, "HTTP to gRPC status code mapping"), for any HTTP version.
import type { HeaderMap } from "./header-map.ts";

export const GrpcStatus = { Ok: 0, Unknown: 2, DeadlineExceeded: 4, ResourceExhausted: 8, Internal: 13, Unavailable: 14 } as const;

/** "application/grpc", with a message encoding behind "+" or without. */
export function isGrpcRequest(headers: HeaderMap | undefined): boolean {
  const type = headers?.get("content-type");
  return type?.startsWith("application/grpc") === true && (type.length === 16 || type.charCodeAt(16) === 0x2b);
}

export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** grpc-timeout in milliseconds, rounded up; undefined when absent or malformed. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const form = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value);
  return form === null ? undefined : Math.ceil(Number(form[1]) * UNITS[form[2]]);
}

/** UNAUTHENTICATED. */
const MAX_STATUS = 16;
const MAX_TIMEOUT_VALUE = 99_999_999;

/** The finest unit in which the value has eight digits at most. */
export function formatGrpcTimeout(ms: number): string {
  if (ms <= MAX_TIMEOUT_VALUE) return `${Math.floor(ms)}m`;
  if (ms / 1000 <= MAX_TIMEOUT_VALUE) return `${Math.floor(ms / 1000)}S`;
  if (ms / 60_000 <= MAX_TIMEOUT_VALUE) return `${Math.floor(ms / 60_000)}M`;
  return `${Math.min(MAX_TIMEOUT_VALUE, Math.floor(ms / 3_600_000))}H`;
}

/** Percent-encoding of grpc-message: everything but printable ASCII without "%". */
export function encodeGrpcMessage(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** grpc-status of headers or trailers: a number that is no status reads as -1 (Envoy's InvalidCode); undefined when there is none. */
export function grpcStatusIn(headers: HeaderMap): number | undefined {
  const text = headers.get("grpc-status");
  if (text === undefined || text === "") return undefined;
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_STATUS ? Number(text) : -1;
}
