// Points in time as text. Pure conversions: what time it is comes from a TimeSource.

/** RFC 3339 with milliseconds, as proto-JSON writes google.protobuf.Timestamp. */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds since 1970 of "Nov 24 12:19:46 2026 GMT" (how certificates state their validity). */
export function parseTimestamp(text: string): number {
  return Date.parse(text);
}
