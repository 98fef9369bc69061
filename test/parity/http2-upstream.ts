// An upstream that speaks HTTP/2, records what came on each stream, and answers by path with frames of the case's choice.
import { createServer, type Server } from "node:net";
import { data, F, headers, type Pairs, PREFACE, RawPeer, type SeenFrame, T } from "../support/http2-frames.ts";
import { OPENING, settingsAck, StreamText } from "./http2-client.ts";

/** A frame for the stream; a pause in ms; or the end of the connection. */
export type AnswerStep = ((streamId: number, peer: RawPeer) => Buffer) | number | "close";

export const status =
  (code: string, more: Pairs = []): AnswerStep =>
  (id) =>
    headers(id, [[":status", code], ...more], F.endHeaders);
export const statusEnd =
  (code: string, more: Pairs = []): AnswerStep =>
  (id) =>
    headers(id, [[":status", code], ...more]);
export const body =
  (text: string): AnswerStep =>
  (id) =>
    data(id, text);
export const bodyEnd =
  (text: string): AnswerStep =>
  (id) =>
    data(id, text, F.end);
export const trailersEnd =
  (pairs: Pairs): AnswerStep =>
  (id) =>
    headers(id, pairs);

export interface Http2Answer {
  readonly steps: readonly AnswerStep[];
  /** At the request's headers, not at its end. */
  readonly early?: boolean;
}

const DEFAULT: Http2Answer = {
  steps: [
    status("200", [
      ["content-length", "2"],
      ["x-up", "1"],
    ]),
    bodyEnd("ok"),
  ],
};

export class Http2Upstream {
  port = 0;
  private readonly answers: Readonly<Record<string, Http2Answer>>;
  private readonly server: Server;
  private readonly peers = new Set<RawPeer>();
  private seen: { readonly key: string; readonly text: StreamText }[] = [];

  private constructor(answers: Readonly<Record<string, Http2Answer>>) {
    this.answers = answers;
    this.server = createServer({ noDelay: true }, (socket) => {
      const peer = new RawPeer(socket, PREFACE.length);
      this.peers.add(peer);
      socket.on("close", () => this.peers.delete(peer));
      peer.write(...OPENING);
      this.serve(peer);
    });
  }

  static async start(answers: Readonly<Record<string, Http2Answer>>): Promise<Http2Upstream> {
    const upstream = new Http2Upstream(answers);
    await new Promise<void>((resolve) => upstream.server.listen(0, "127.0.0.1", resolve));
    const address = upstream.server.address();
    upstream.port = typeof address === "object" && address !== null ? address.port : 0;
    return upstream;
  }

  private serve(peer: RawPeer): void {
    const streams = new Map<number, { readonly text: StreamText; readonly answer: Http2Answer; readonly isTunnel: boolean }>();
    peer.onFrame = (frame) => {
      if (frame.type === T.settings && (frame.flags & F.ack) === 0) peer.write(settingsAck());
      if (frame.type === T.goaway) this.seen.push({ key: "connection", text: goAwayText(frame) });
      if (frame.streamId === 0 || frame.type === T.windowUpdate) return;
      let stream = streams.get(frame.streamId);
      const isFirst = stream === undefined;
      if (stream === undefined) {
        const field = (name: string): string => frame.fields.find(([key]) => key === name)?.[1] ?? "";
        const path = field(":path") || field(":authority");
        const answer = this.answers[path] ?? this.answers[path.split("?")[0]] ?? DEFAULT;
        stream = { text: new StreamText(), answer, isTunnel: field(":method") === "CONNECT" };
        streams.set(frame.streamId, stream);
        this.seen.push({ key: "request", text: stream.text });
      }
      stream.text.add(frame);
      const isEnd = (frame.type === T.data || frame.type === T.headers) && (frame.flags & F.end) !== 0;
      const early = stream.isTunnel || stream.answer.early === true;
      if (early ? isFirst : isEnd) run(peer, frame.streamId, stream.answer.steps);
      // A tunnel says what it heard.
      else if (stream.isTunnel && frame.type === T.data) peer.write(data(frame.streamId, frame.payload, frame.flags & F.end));
    };
  }

  /** What came since the last time. */
  take(): string[] {
    const texts = this.seen.map(({ key, text }) => `${key}:${text}`);
    this.seen = [];
    return texts;
  }

  close(): Promise<void> {
    for (const peer of this.peers) peer.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

function goAwayText(frame: SeenFrame): StreamText {
  const text = new StreamText();
  text.add({ ...frame, type: T.data, flags: 0, payload: Buffer.from(`GOAWAY ${frame.payload.readUInt32BE(4)}`) });
  return text;
}

function run(peer: RawPeer, streamId: number, steps: readonly AnswerStep[]): void {
  for (const [i, step] of steps.entries()) {
    if (typeof step === "number") {
      // One that hangs must not keep the run from its end.
      setTimeout(() => run(peer, streamId, steps.slice(i + 1)), step).unref();
      return;
    }
    if (step === "close") peer.socket.end();
    else peer.write(step(streamId, peer));
  }
}
