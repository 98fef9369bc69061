// Whether a request is to be traced, and why, packed into the 15th character of its x-request-id, so that every proxy behind decides
// alike (Envoy: "Tracing", UUIDRequestIDExtension). There is no tracer here that would send spans; the mark is what others read.
import type { Random } from "../base/system.ts";
import type { HeaderMap } from "./header-map.ts";

/** Percentages. */
export interface TracingSampling {
  readonly client: number;
  readonly random: number;
  readonly overall: number;
}

const UUID_LENGTH = 36;
const MARK = 14;
const NOT_TRACED = "4";
const SAMPLED = "9";
const FORCED_BY_SERVICE = "a";
const FORCED_BY_CLIENT = "b";

/** Hundredths of a percent, as Envoy counts them. */
const ALL = 10_000;

/** The id as not traced: what comes from outside decides nothing. One that is no UUID stays as it is. */
export function clearTraceReason(id: string): string {
  return id.length === UUID_LENGTH ? withMark(id, NOT_TRACED) : id;
}

/** The id with its mark; one that is no UUID stays as it is. */
export function markTraceReason(id: string, headers: HeaderMap, sampling: TracingSampling, random: Random): string {
  if (id.length !== UUID_LENGTH) return id;
  const start = id.slice(0, 8);
  if (!/^[0-9a-fA-F]{8}$/.test(start)) return id;
  // The id itself is the dice, so that each proxy throws the same.
  const result = Number.parseInt(start, 16) % ALL;
  let mark = id[MARK];
  if (mark !== SAMPLED && mark !== FORCED_BY_SERVICE && mark !== FORCED_BY_CLIENT) {
    if (headers.has("x-client-trace-id") && random.next() * ALL < sampling.client * 100) mark = FORCED_BY_CLIENT;
    else if (headers.has("x-envoy-force-trace")) mark = FORCED_BY_SERVICE;
    else if (result < Math.round(sampling.random * 100)) mark = SAMPLED;
    else return id;
  }
  return withMark(id, result < Math.round(sampling.overall * 100) ? mark : NOT_TRACED);
}

function withMark(id: string, mark: string): string {
  return id[MARK] === mark ? id : `${id.slice(0, MARK)}${mark}${id.slice(MARK + 1)}`;
}
