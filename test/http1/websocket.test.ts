// WebSockets of clients over HTTP/1.1, to upstreams of either version.
import { testWebSockets } from "../support/websocket-tests.ts";

testWebSockets("HTTP/1.1", "HTTP/1.1");
testWebSockets("HTTP/1.1", "HTTP/2");
