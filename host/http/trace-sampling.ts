// Whether a request is to be traced, decided as Envoy decides it and written where Envoy writes it: in the request id, whose 15th
// character is the version of an UUID. There is no tracer here; proxies behind this one read the decision.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/request_id/uuid/v3/uuid.proto
import type { Random } from "../base/system.ts";
import type { TraceSampling } from "../config/listener.ts";
import type { HeaderMap } from "./header-map.ts";

const REASON_AT = 14;
const NONE = "4";
const SAMPLED = "9";
const FORCED = "a";
const CLIENT = "b";
const UUID_LENGTH = 36;

/** What comes from outside decides nothing. */
export function clearTraceReason(id: string): string {
  return id.length === UUID_LENGTH && id[REASON_AT] !== NONE ? id.slice(0, REASON_AT) + NONE + id.slice(REASON_AT + 1) : id;
}

/** The request id with the decision; one that is no UUID stays as it is. */
export function decideTracing(id: string, headers: HeaderMap, sampling: TraceSampling, random: Random): string {
  if (id.length !== UUID_LENGTH || !/^[0-9a-fA-F]{8}/.test(id)) return id;
  // The same request is sampled everywhere or nowhere: the draw is its id.
  const draw = Number.parseInt(id.slice(0, 8), 16) % 10_000;
  const given = id[REASON_AT];
  const isGiven = given === SAMPLED || given === FORCED || given === CLIENT;
  let reason = isGiven ? given : NONE;
  if (!isGiven) {
    if (headers.has("x-client-trace-id") && random.next() * 100 < sampling.clientPercent) reason = CLIENT;
    else if (headers.has("x-envoy-force-trace")) reason = FORCED;
    else if (draw < sampling.randomPercent * 100) reason = SAMPLED;
  }
  if (reason !== NONE && draw >= sampling.overallPercent * 100) reason = NONE;
  // An id of another version of UUID stays one, as long as nothing is to be said.
  if (!sampling.packsReason || reason === given || (!isGiven && reason === NONE)) return id;
  return id.slice(0, REASON_AT) + reason + id.slice(REASON_AT + 1);
}
