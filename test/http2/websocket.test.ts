// WebSockets of clients over HTTP/2 (RFC 8441), to upstreams of either version.
import { testWebSockets } from "../support/websocket-tests.ts";

testWebSockets("HTTP/2", "HTTP/1.1");
testWebSockets("HTTP/2", "HTTP/2");
