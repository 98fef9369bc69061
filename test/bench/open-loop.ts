// Open-loop load: node open-loop.js PORT RATE SECONDS CONNECTIONS. Requests are due at fixed times; one that finds no free
// connection waits, and its wait counts (no coordinated omission). Prints one line of JSON.
import { connect, type Socket } from "node:net";

const [port, rate, seconds, connections] = process.argv.slice(2).map(Number);
const REQUEST = "GET / HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\n\r\n";

const idle: Socket[] = [];
const due: number[] = [];
const startedAt = new Map<Socket, number>();
const latencies: number[] = [];
let errors = 0;
let sent = 0;

function begin(socket: Socket, at: number): void {
  startedAt.set(socket, at);
  socket.write(REQUEST, "latin1");
}

function open(): void {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let text = "";
  socket.on("connect", () => release(socket));
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    const head = text.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < head + 4 + length) return;
    if (!text.startsWith("HTTP/1.1 200")) errors++;
    text = "";
    const at = startedAt.get(socket);
    startedAt.delete(socket);
    if (at !== undefined) latencies.push(performance.now() - at);
    release(socket);
  });
  socket.on("error", () => {
    errors++;
  });
  socket.on("close", () => {
    if (startedAt.delete(socket)) errors++;
    open();
  });
}

function release(socket: Socket): void {
  const at = due.shift();
  if (at === undefined) idle.push(socket);
  else begin(socket, at);
}

for (let i = 0; i < connections; i++) open();
const total = rate * seconds;
const first = performance.now() + 200;

function tick(): void {
  const now = performance.now();
  while (sent < total && first + (sent * 1000) / rate <= now) {
    sent++;
    const socket = idle.pop();
    if (socket === undefined) due.push(now);
    else begin(socket, now);
  }
  // Once a millisecond: a busy loop would take the core from the upstream.
  if (sent < total) setTimeout(tick, 1);
  else setTimeout(finish, 1000);
}

function finish(): void {
  latencies.sort((a, b) => a - b);
  const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  process.stdout.write(`${JSON.stringify({ requests: latencies.length, errors, p99Ms })}\n`);
  process.exit(0);
}

tick();
