// Short and long names of response flags (Envoy: %RESPONSE_FLAGS%, %RESPONSE_FLAGS_LONG%), in Envoy's order.
import { ResponseFlag, type StreamInfo } from "./stream-info.ts";

export const RESPONSE_FLAG_NAMES: readonly (readonly [bit: number, short: string, long: string])[] = [
  [ResponseFlag.FailedLocalHealthCheck, "LH", "FailedLocalHealthCheck"],
  [ResponseFlag.NoHealthyUpstream, "UH", "NoHealthyUpstream"],
  [ResponseFlag.UpstreamRequestTimeout, "UT", "UpstreamRequestTimeout"],
  [ResponseFlag.LocalReset, "LR", "LocalReset"],
  [ResponseFlag.UpstreamRemoteReset, "UR", "UpstreamRemoteReset"],
  [ResponseFlag.UpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"],
  [ResponseFlag.UpstreamConnectionTermination, "UC", "UpstreamConnectionTermination"],
  [ResponseFlag.UpstreamOverflow, "UO", "UpstreamOverflow"],
  [ResponseFlag.NoRouteFound, "NR", "NoRouteFound"],
  [ResponseFlag.DelayInjected, "DI", "DelayInjected"],
  [ResponseFlag.FaultInjected, "FI", "FaultInjected"],
  [ResponseFlag.RateLimited, "RL", "RateLimited"],
  [ResponseFlag.UnauthorizedExternalService, "UAEX", "UnauthorizedExternalService"],
  [ResponseFlag.RateLimitServiceError, "RLSE", "RateLimitServiceError"],
  [ResponseFlag.DownstreamConnectionTermination, "DC", "DownstreamConnectionTermination"],
  [ResponseFlag.UpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"],
  [ResponseFlag.StreamIdleTimeout, "SI", "StreamIdleTimeout"],
  [ResponseFlag.InvalidEnvoyRequestHeaders, "IH", "InvalidEnvoyRequestHeaders"],
  [ResponseFlag.DownstreamProtocolError, "DPE", "DownstreamProtocolError"],
  [ResponseFlag.UpstreamMaxStreamDurationReached, "UMSDR", "UpstreamMaxStreamDurationReached"],
  [ResponseFlag.ResponseFromCacheFilter, "RFCF", "ResponseFromCacheFilter"],
  [ResponseFlag.NoFilterConfigFound, "NFCF", "NoFilterConfigFound"],
  [ResponseFlag.DurationTimeout, "DT", "DurationTimeout"],
  [ResponseFlag.UpstreamProtocolError, "UPE", "UpstreamProtocolError"],
  [ResponseFlag.NoClusterFound, "NC", "NoClusterFound"],
  [ResponseFlag.OverloadManager, "OM", "OverloadManagerTerminated"],
  [ResponseFlag.DnsResolutionFailed, "DF", "DnsResolutionFailed"],
  [ResponseFlag.DropOverLoad, "DO", "DropOverload"],
  [ResponseFlag.DownstreamRemoteReset, "DR", "DownstreamRemoteReset"],
  [ResponseFlag.UnconditionalDropOverload, "UDO", "UnconditionalDropOverload"],
];

/** Flags joined by "," in the order they were set, "-" for none. */
export function formatResponseFlags(info: StreamInfo, long: boolean): string {
  if (info.flagOrder === undefined) return "-";
  let out = "";
  for (const flag of info.flagOrder) {
    const row = RESPONSE_FLAG_NAMES.find((candidate) => candidate[0] === flag);
    if (row === undefined) continue;
    const name = row[long ? 2 : 1];
    out = out === "" ? name : `${out},${name}`;
  }
  return out;
}

export function responseFlagBit(short: string): number | undefined {
  return RESPONSE_FLAG_NAMES.find((row) => row[1] === short)?.[0];
}
