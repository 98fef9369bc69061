// Parity with Envoy over HTTP/2, on either side of the proxy or on both.
import { http2ToHttp1 } from "./cases/http2.ts";
import { connectionDuration, connectionIdle, connectionRequests, upstreamConnections } from "./cases/http2-connections.ts";
import { http2Limits, http2Malformed, http2StreamErrors, http2Underscores } from "./cases/http2-malformed.ts";
import { tunnelsOff, tunnelsToHttp1, tunnelsToHttp2 } from "./cases/http2-tunnels.ts";
import { downstreamProtocol, downstreamProtocolOfHttp1, http1ToHttp2, http2ToHttp2 } from "./cases/http2-upstream.ts";
import { wasmHttp2 } from "./cases/http2-wasm.ts";
import { runGroups } from "./groups.ts";

runGroups([
  http2ToHttp1,
  http2Malformed,
  http2StreamErrors,
  http2Limits,
  http2Underscores,
  http1ToHttp2,
  http2ToHttp2,
  downstreamProtocol,
  downstreamProtocolOfHttp1,
  connectionRequests,
  connectionDuration,
  connectionIdle,
  upstreamConnections,
  tunnelsToHttp1,
  tunnelsToHttp2,
  tunnelsOff,
  wasmHttp2,
]);
