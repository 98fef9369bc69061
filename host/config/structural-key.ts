// Equality of plain configuration by a text key: what the data plane asks to know whether a changed resource changed *this* part.

/** Equal data gives equal text. Bytes are written as base64. */
export function structuralKey(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Uint8Array ? `\u0000${Buffer.from(inner.buffer, inner.byteOffset, inner.byteLength).toString("base64")}` : inner,
  );
}
