// A connection that flushes late: what it was given in one event leaves once, in order, whatever became of the read buffer meanwhile.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { Clock } from "../../../host/base/clock.ts";
import { READ_BUFFER } from "../../../host/base/read-buffer.ts";
import { systemTime } from "../../../host/base/system.ts";
import { Connection } from "../../../host/net/connection.ts";
import { Flusher } from "../../../host/net/flusher.ts";
import { connectReader } from "../../../host/net/socket-reader.ts";

const ignore = { onData() {}, onEnd() {}, onClose() {}, onAboveWriteBufferHighWatermark() {}, onBelowWriteBufferLowWatermark() {} };

for (const late of [false, true]) {
  test(`bytes of the read buffer, ${late ? "late" : "at the end of the event"}`, async (t) => {
    const server = createServer({ noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection");
    const reader = connectReader({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
    const flusher = new Flusher(new Clock(systemTime));
    const connection = new Connection(reader, flusher, 1_048_576, { received() {}, sent() {} }, ignore);
    connection.flushesLate = late;
    t.after(() => {
      connection.destroy();
      server.close();
    });
    const [peer] = await accepted;
    await once(reader.socket, "connect");
    let got = "";
    peer.on("data", (data: Buffer) => {
      got += data.toString("latin1");
    });
    const block = Buffer.from("[12]", "latin1");
    for (let event = 0; event < 3; event++) {
      connection.enter();
      READ_BUFFER.write(`event ${event}`, "latin1");
      connection.writeBlock(block, 0, 2);
      connection.writeBlock(block, 2, 4);
      connection.writeBytes(READ_BUFFER.subarray(0, 7));
      connection.writeString(";");
      connection.leave();
    }
    // The next read of whatever socket.
    READ_BUFFER.fill("#");
    while (got.length < 36) await once(peer, "data");
    assert.equal(got, "[12]event 0;[12]event 1;[12]event 2;");
  });
}
