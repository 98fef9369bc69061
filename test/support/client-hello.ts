// Makes ClientHello messages (RFC 8446 4.1.2) and the records that carry them.
const vector = (size: 1 | 2, content: Uint8Array): Buffer => {
  const head = size === 1 ? [content.length] : [content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
};

export const extension = (type: number, content: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([type >> 8, type & 0xff]), vector(2, content)]);

export const SNI = (name: string): Buffer =>
  extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, "latin1"))])));

export const ALPN = (...protocols: readonly string[]): Buffer =>
  extension(16, vector(2, Buffer.concat(protocols.map((protocol) => vector(1, Buffer.from(protocol))))));

/** The handshake message; undefined: without a list of extensions. */
export function clientHello(extensions: readonly Uint8Array[] | undefined, behind: Uint8Array = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 1)),
    vector(2, Buffer.from([0x13, 1, 0x13, 2])),
    vector(1, Buffer.from([0])),
    ...(extensions === undefined ? [] : [vector(2, Buffer.concat(extensions))]),
    behind,
  ]);
  return Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body]);
}

export function records(message: Buffer, size = 16_384): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1]), vector(2, part));
  }
  return Buffer.concat(parts);
}
