// Node's own fast paths behind buf.write(text, "latin1") and buf.toString("latin1"), present since Node 0.x and used by its core.
interface Buffer {
  latin1Write(text: string, offset?: number, length?: number): number;
  latin1Slice(start?: number, end?: number): string;
}
