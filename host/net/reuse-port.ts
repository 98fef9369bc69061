// A listening socket for each worker on one address: SO_REUSEPORT spreads connections over them in the kernel, and a worker that
// dies takes only its own socket along. Node >= 22.12 can do it (reusePort); on Node 20 the socket is made by system calls through
// koffi and adopted by its descriptor.
import type { Server } from "node:net";
import { isIP } from "node:net";

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
  readonly backlog: number;
}

const [major, minor] = process.versions.node.split(".").map(Number);
export const nodeHasReusePort = major > 22 || (major === 22 && minor >= 12);

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  listen(fd: number, backlog: number): number;
  close(fd: number): number;
  errno(): number;
}

let libc: Libc | undefined;

async function loadLibc(): Promise<Libc> {
  if (libc !== undefined) return libc;
  const { default: koffi } = await import("koffi");
  const lib = koffi.load("libc.so.6");
  libc = {
    socket: lib.func("int socket(int domain, int type, int protocol)"),
    setsockopt: lib.func("int setsockopt(int fd, int level, int option, const void *value, uint32_t length)"),
    bind: lib.func("int bind(int fd, const void *address, uint32_t length)"),
    listen: lib.func("int listen(int fd, int backlog)"),
    close: lib.func("int close(int fd)"),
    errno: () => koffi.errno(),
  };
  return libc;
}

/** struct sockaddr_in or sockaddr_in6 of an IP address. */
function socketAddress(address: string, port: number): Buffer {
  if (isIP(address) === 4) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    for (const [i, part] of address.split(".").entries()) bytes.writeUInt8(Number(part), 4 + i);
    return bytes;
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  const [head, tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  for (const [i, group] of left.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 8 + 2 * i);
  for (const [i, group] of right.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 24 - 2 * (right.length - i));
  return bytes;
}

const ERRORS: Readonly<Record<number, string>> = { 13: "EACCES", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL" };

async function openSocket({ address, port, backlog }: ListenAddress): Promise<number> {
  const c = await loadLibc();
  const fd = c.socket(isIP(address) === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const fail = (call: string): never => {
    const errno = c.errno();
    if (fd >= 0) c.close(fd);
    throw Object.assign(new Error(`${call} ${ERRORS[errno] ?? `errno ${errno}`} ${address}:${port}`), { code: ERRORS[errno] ?? "EIO" });
  };
  if (fd < 0) fail("socket");
  const one = Buffer.from([1, 0, 0, 0]);
  if (c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4) !== 0) fail("setsockopt");
  if (c.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, one, 4) !== 0) fail("setsockopt");
  const where = socketAddress(address, port);
  if (c.bind(fd, where, where.length) !== 0) fail("bind");
  if (c.listen(fd, backlog) !== 0) fail("listen");
  return fd;
}

/** Binds and listens so that other workers can do the same on the same address. Rejects with a Node-like `code`. */
export async function listenShared(server: Server, where: ListenAddress): Promise<void> {
  const options = nodeHasReusePort
    ? { host: where.address, port: where.port, backlog: where.backlog, reusePort: true }
    : { fd: await openSocket(where) };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}
