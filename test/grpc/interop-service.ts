// grpc.testing.TestService of gRPC's interoperability tests, as far as its cases use it, on @grpc/grpc-js: messages and the server.
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";

const root = protobuf.parse(
  `syntax = "proto3";
  package grpc.testing;
  message Empty {}
  message Payload { int32 type = 1; bytes body = 2; }
  message EchoStatus { int32 code = 1; string message = 2; }
  message SimpleRequest { int32 response_type = 1; int32 response_size = 2; Payload payload = 3; EchoStatus response_status = 7; }
  message SimpleResponse { Payload payload = 1; }
  message StreamingInputCallRequest { Payload payload = 1; }
  message StreamingInputCallResponse { int32 aggregated_payload_size = 1; }
  message ResponseParameters { int32 size = 1; int32 interval_us = 2; }
  message StreamingOutputCallRequest {
    int32 response_type = 1; repeated ResponseParameters response_parameters = 2; Payload payload = 3; EchoStatus response_status = 7;
  }
  message StreamingOutputCallResponse { Payload payload = 1; }`,
  { keepCase: true },
).root;

export interface Payload {
  readonly body: Uint8Array;
}
export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_status?: EchoStatus;
}
export interface OutputRequest {
  readonly response_parameters?: readonly { readonly size: number; readonly interval_us?: number }[];
  readonly payload?: Payload;
  readonly response_status?: EchoStatus;
}
export interface WithPayload {
  readonly payload?: Payload;
}
export interface InputResponse {
  readonly aggregated_payload_size: number;
}
export type Empty = Readonly<Record<string, never>>;

interface Codec<T> {
  serialize(value: T): Buffer;
  deserialize(bytes: Buffer): T;
}

function codec<T extends object>(name: string): Codec<T> {
  const type = root.lookupType(`grpc.testing.${name}`);
  return {
    serialize: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    deserialize: (bytes) => type.toObject(type.decode(bytes)) as T,
  };
}

function method<Request extends object, Response extends object>(
  name: string,
  request: string,
  response: string,
  [requestStream, responseStream]: readonly [boolean, boolean],
  service = "TestService",
): grpc.MethodDefinition<Request, Response> {
  const [from, to] = [codec<Request>(request), codec<Response>(response)];
  return {
    path: `/grpc.testing.${service}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: from.serialize,
    requestDeserialize: from.deserialize,
    responseSerialize: to.serialize,
    responseDeserialize: to.deserialize,
  };
}

export const EmptyCall = method<Empty, Empty>("EmptyCall", "Empty", "Empty", [false, false]);
export const UnaryCall = method<SimpleRequest, WithPayload>("UnaryCall", "SimpleRequest", "SimpleResponse", [false, false]);
export const InputCall = method<WithPayload, InputResponse>(
  "StreamingInputCall",
  "StreamingInputCallRequest",
  "StreamingInputCallResponse",
  [true, false],
);
const OUTPUT = ["StreamingOutputCallRequest", "StreamingOutputCallResponse"] as const;
export const OutputCall = method<OutputRequest, WithPayload>("StreamingOutputCall", ...OUTPUT, [false, true]);
export const DuplexCall = method<OutputRequest, WithPayload>("FullDuplexCall", ...OUTPUT, [true, true]);
/** The server has neither. */
export const MissingMethod = method<Empty, Empty>("UnimplementedCall", "Empty", "Empty", [false, false]);
export const MissingService = method<Empty, Empty>("UnimplementedCall", "Empty", "Empty", [false, false], "UnimplementedService");

const zeros = (size: number): Payload => ({ body: Buffer.alloc(size) });

/** What the custom_metadata of a test asks to be sent back. */
function echo(call: { readonly metadata: grpc.Metadata; sendMetadata(metadata: grpc.Metadata): void }): grpc.Metadata {
  const initial = new grpc.Metadata();
  const trailing = new grpc.Metadata();
  for (const value of call.metadata.get("x-grpc-test-echo-initial")) initial.set("x-grpc-test-echo-initial", value);
  for (const value of call.metadata.get("x-grpc-test-echo-trailing-bin")) trailing.set("x-grpc-test-echo-trailing-bin", value);
  if (Object.keys(initial.getMap()).length > 0) call.sendMetadata(initial);
  return trailing;
}

function failure(status: EchoStatus, metadata: grpc.Metadata): Partial<grpc.StatusObject> & Error {
  return Object.assign(new Error(status.message), { code: status.code, details: status.message, metadata });
}

const isFailure = (status: EchoStatus | undefined): status is EchoStatus => status !== undefined && status.code !== 0;

async function answer(
  call: grpc.ServerWritableStream<unknown, WithPayload> | grpc.ServerDuplexStream<unknown, WithPayload>,
  request: OutputRequest,
): Promise<void> {
  for (const { size, interval_us = 0 } of request.response_parameters ?? []) {
    if (interval_us > 0) await new Promise((resolve) => setTimeout(resolve, interval_us / 1000));
    call.write({ payload: zeros(size) });
  }
}

export interface InteropServer {
  readonly port: number;
  /** Streams of which a message has come, and those that the server was told are cancelled. */
  readonly begun: string[];
  readonly cancelled: string[];
  close(): void;
}

export async function startInteropServer(): Promise<InteropServer> {
  const server = new grpc.Server();
  const begun: string[] = [];
  const cancelled: string[] = [];
  server.addService(
    { EmptyCall, UnaryCall, StreamingInputCall: InputCall, StreamingOutputCall: OutputCall, FullDuplexCall: DuplexCall },
    {
      EmptyCall: (call: grpc.ServerUnaryCall<Empty, Empty>, done: grpc.sendUnaryData<Empty>) => done(null, {}, echo(call)),
      UnaryCall: (call: grpc.ServerUnaryCall<SimpleRequest, WithPayload>, done: grpc.sendUnaryData<WithPayload>) => {
        const trailing = echo(call);
        const { response_status: status, response_size: size = 0 } = call.request;
        if (isFailure(status)) done(failure(status, trailing), null);
        else done(null, { payload: zeros(size) }, trailing);
      },
      StreamingInputCall: (call: grpc.ServerReadableStream<WithPayload, InputResponse>, done: grpc.sendUnaryData<InputResponse>) => {
        let total = 0;
        call.on("data", (request: WithPayload) => {
          total += request.payload?.body.length ?? 0;
          begun.push("StreamingInputCall");
        });
        call.on("end", () => done(null, { aggregated_payload_size: total }));
        call.on("cancelled", () => cancelled.push("StreamingInputCall"));
      },
      StreamingOutputCall: (call: grpc.ServerWritableStream<OutputRequest, WithPayload>) => {
        void answer(call, call.request).then(() => call.end(echo(call)));
      },
      FullDuplexCall: (call: grpc.ServerDuplexStream<OutputRequest, WithPayload>) => {
        const trailing = echo(call);
        let work = Promise.resolve();
        call.on("data", (request: OutputRequest) => {
          const status = request.response_status;
          if (isFailure(status)) call.emit("error", failure(status, trailing));
          else work = work.then(() => answer(call, request));
        });
        call.on("end", () => void work.then(() => call.end(trailing)));
        call.on("cancelled", () => cancelled.push("FullDuplexCall"));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { port, begun, cancelled, close: () => server.forceShutdown() };
}
