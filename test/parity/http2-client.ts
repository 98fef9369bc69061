// One exchange over HTTP/2 on a fresh connection: sends frames written by hand, returns as text what came back on each stream until
// the peer closes or goes quiet. What is nobody's business (SETTINGS, windows, PING, how a body was cut) is left out.
import {
  headers as headersFrame,
  data,
  F,
  type Pairs,
  PREFACE,
  RawPeer,
  type SeenFrame,
  settings,
  T,
  windowUpdate,
} from "../support/http2-frames.ts";

const BETWEEN_MS = 40;
const WINDOW = 1 << 20;
const SETTINGS_WINDOW = 4;

/** Windows of both peers are large, so that none of them has to be opened again. */
export const OPENING: readonly Buffer[] = [settings([SETTINGS_WINDOW, WINDOW]), windowUpdate(0, WINDOW)];

/** Latin1, with what is no visible character as an escape. */
function visible(bytes: Buffer): string {
  return JSON.stringify(bytes.latin1Slice());
}

/** What one side said on a stream: fields, bodies joined, the end or the code of its reset. */
export class StreamText {
  private text = "";
  private body: Buffer[] = [];

  add(frame: SeenFrame): void {
    if (frame.type === T.data) this.body.push(frame.payload);
    else this.flush();
    if (frame.type === T.headers) this.text += ` [${frame.fields.map(([name, value]) => ` ${name}=${value}`).join("")} ]`;
    else if (frame.type === T.rst) this.text += ` RESET ${frame.payload.readUInt32BE(0)}`;
    if ((frame.type === T.data || frame.type === T.headers) && (frame.flags & F.end) !== 0) {
      this.flush();
      this.text += " END";
    }
  }

  private flush(): void {
    const bytes = Buffer.concat(this.body);
    this.body = [];
    if (bytes.length > 200) this.text += ` ${bytes.length} bytes`;
    else if (bytes.length > 0) this.text += ` ${visible(bytes)}`;
  }

  toString(): string {
    this.flush();
    return this.text;
  }
}

/** "<closed>" stands at the end when the peer ended the connection. */
export function exchangeFrames(port: number, pieces: readonly (readonly Buffer[])[], quietMs: number): Promise<string> {
  return new Promise((resolve) => {
    const peer = RawPeer.connect(port);
    const streams = new Map<number, StreamText>();
    let goAways = "";
    let timer: NodeJS.Timeout | undefined;
    let next: NodeJS.Timeout | undefined;
    const finish = (end: string): void => {
      clearTimeout(timer);
      clearTimeout(next);
      peer.onFrame = () => {};
      peer.destroy();
      const lines = [...streams].sort(([a], [b]) => a - b).map(([id, text]) => `${id}:${text}`);
      resolve([...lines, ...(goAways === "" ? [] : [goAways])].join("\n") + end);
    };
    const arm = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(""), ms);
    };
    const send = (at: number): void => {
      arm(Math.max(quietMs, 3000));
      peer.write(...pieces[at]);
      if (at + 1 < pieces.length) next = setTimeout(() => send(at + 1), BETWEEN_MS);
      else arm(Math.max(quietMs, streams.size > 0 ? 0 : 1000));
    };
    peer.onFrame = (frame) => {
      if (frame.type === T.settings && (frame.flags & F.ack) === 0) peer.write(settingsAck());
      if (frame.type === T.goaway) goAways += `GOAWAY ${frame.payload.readUInt32BE(4)} last=${frame.payload.readUInt32BE(0)} `;
      if (frame.type === T.settings || frame.type === T.windowUpdate || frame.type === T.ping) return;
      if (frame.streamId > 0) {
        const text = streams.get(frame.streamId) ?? new StreamText();
        streams.set(frame.streamId, text);
        text.add(frame);
      }
      arm(quietMs);
    };
    peer.socket.on("end", () => finish("<closed>"));
    peer.socket.on("close", () => finish("<closed>"));
    peer.socket.on("connect", () => {
      peer.write(PREFACE, ...OPENING);
      send(0);
    });
  });
}

export function settingsAck(): Buffer {
  return Buffer.from([0, 0, 0, T.settings, F.ack, 0, 0, 0, 0]);
}

const requestFields = (method: string, path: string, more: Pairs): Pairs => [
  [":method", method],
  [":scheme", "http"],
  [":path", path],
  [":authority", "a.example"],
  ...more,
];

/** HEADERS of a request without a body. */
export const get = (streamId: number, path: string, more: Pairs = [], method = "GET"): Buffer =>
  headersFrame(streamId, requestFields(method, path, more));

/** HEADERS after which more comes. */
export const begin = (streamId: number, path: string, more: Pairs = [], method = "POST"): Buffer =>
  headersFrame(streamId, requestFields(method, path, more), F.endHeaders);

export const end = (streamId: number, body: string): Buffer => data(streamId, body, F.end);
export const trailers = (streamId: number, pairs: Pairs): Buffer => headersFrame(streamId, pairs);

/** A case's request: each piece is sent 40 ms after the one before. */
export const frames = (...pieces: readonly (Buffer | readonly Buffer[])[]): { readonly frames: readonly (readonly Buffer[])[] } => ({
  frames: pieces.map((piece) => (Buffer.isBuffer(piece) ? [piece] : piece)),
});
