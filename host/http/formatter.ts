// Substitution format strings (Envoy: "Command operators"), compiled once into a list of providers. Used by access logs, header
// mutations and local replies. Each operator is a row of OPERATORS; a format names an unknown one only to be refused.
import { formatStartTime } from "./format-time.ts";
import type { HeaderMap } from "./header-map.ts";
import { grpcStatusOf, isGrpcRequest } from "./grpc.ts";
import { formatResponseFlags } from "./response-flags.ts";
import type { StreamInfo } from "./stream-info.ts";
import { tlsOperators } from "./tls-operators.ts";

/** One operator bound to its arguments: its value, or undefined when there is none ("-" in text, null in JSON). */
export type Provider = (info: StreamInfo) => string | number | boolean | JsonText | undefined;

/** A value that is JSON already: typed JSON logs print it as it is. */
export class JsonText {
  private readonly json: string;
  constructor(json: string) {
    this.json = json;
  }
  toString(): string {
    return this.json;
  }
}

/** Plain data as JSON with its keys in order, as protobuf's maps come out of Envoy. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${sortedJson(member)}`).join(",")}}`;
}

export interface Formatter {
  /** Text with `absent` ("-", or "" with omit_empty_values) where a value is missing. */
  format(info: StreamInfo): string;
  /** The typed value when the format is one single operator: what typed JSON logs print. */
  readonly single: Provider | undefined;
}

export class FormatError extends Error {}

export interface Arguments {
  readonly command: string;
  /** Between the parentheses; undefined without. */
  readonly argument: string | undefined;
  /** After the colon. */
  readonly maxLength: number | undefined;
}

export type Operator = (args: Arguments) => Provider;

const nonEmpty = (text: string): string | undefined => (text === "" ? undefined : text);

function plain(read: Provider): Operator {
  return ({ command, argument }) => {
    if (argument !== undefined) throw new FormatError(`${command} does not take any parameters.`);
    return read;
  };
}

/** NAME, or NAME?ALTERNATIVE. */
function header(read: (info: StreamInfo) => HeaderMap | undefined): Operator {
  return ({ command, argument, maxLength }) => {
    if (argument === undefined || argument === "")
      throw new FormatError(`Invalid header configuration. Format string contains ${command} without a header name.`);
    const names = argument.split("?");
    if (names.length > 2) throw new FormatError(`More than 1 alternative header specified in token: ${argument}`);
    const main = names[0].toLowerCase();
    const alternative = names.length === 2 ? names[1].toLowerCase() : undefined;
    return (info) => {
      const headers = read(info);
      const value = headers?.get(main) ?? (alternative === undefined ? undefined : headers?.get(alternative));
      return value !== undefined && maxLength !== undefined && value.length > maxLength ? value.slice(0, maxLength) : value;
    };
  };
}

function metadata(read: (info: StreamInfo) => Readonly<Record<string, unknown>> | undefined): Operator {
  return ({ command, argument, maxLength }) => {
    if (argument === undefined || argument === "") throw new FormatError(`${command} requires parameters.`);
    const path = argument.split(":");
    return (info) => {
      let value: unknown = read(info);
      for (const key of path) {
        if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
        value = (value as Readonly<Record<string, unknown>>)[key];
      }
      if (value === undefined || value === null) return undefined;
      if (maxLength !== undefined) return (typeof value === "string" ? value : sortedJson(value)).slice(0, maxLength);
      return typeof value === "object" ? new JsonText(sortedJson(value)) : (value as string | number | boolean);
    };
  };
}

const METADATA_KINDS: Readonly<Record<string, (info: StreamInfo) => Readonly<Record<string, unknown>> | undefined>> = {
  DYNAMIC: (info) => info.dynamicMetadata,
  CLUSTER: (info) => info.clusterMetadata,
  ROUTE: (info) => info.routeMetadata,
  UPSTREAM_HOST: (info) => info.upstreamHostMetadata,
  LISTENER: (info) => info.connection.listenerMetadata,
};

/** Time points that %COMMON_DURATION% may name. */
const TIME_POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.startMonotonic,
  DS_RX_END: (info) => info.requestCompleteAt,
  US_CX_BEG: (info) => info.upstreamConnectionReadyAt,
  US_CX_END: (info) => info.upstreamConnectionReadyAt,
  US_TX_BEG: (info) => info.upstreamFirstByteSentAt,
  US_TX_END: (info) => info.upstreamLastByteSentAt,
  US_RX_BEG: (info) => info.upstreamFirstByteReceivedAt,
  US_RX_END: (info) => info.upstreamLastByteReceivedAt,
  DS_TX_BEG: (info) => info.responseFirstByteAt,
  DS_TX_END: (info) => info.completeAt,
};

function since(read: (info: StreamInfo) => number): Provider {
  return (info) => {
    const at = read(info);
    return at > 0 ? Math.floor(at - info.startMonotonic) : undefined;
  };
}

function ipOf(address: string): string | undefined {
  if (address === "") return undefined;
  const colon = address.lastIndexOf(":");
  return colon < 0 ? address : address.slice(0, colon).replace(/^\[|\]$/g, "");
}

function portOf(address: string): number | undefined {
  const colon = address.lastIndexOf(":");
  return colon < 0 ? undefined : Number(address.slice(colon + 1));
}

/** The address of a connection, so "" until there was one. */
function upstreamPeer(info: StreamInfo): string {
  return info.upstreamConnectionReadyAt > 0 ? info.upstreamHost : "";
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, us: 1000, ns: 1_000_000 };

/** Adding an operator is a row here. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  START_TIME: ({ argument }) => formatStartTime(argument, (info) => info.startTimeMs),
  EMIT_TIME: ({ argument }) => formatStartTime(argument, (info) => info.startTimeMs + (info.completeAt - info.startMonotonic)),
  REQ: header((info) => info.requestHeaders),
  RESP: header((info) => info.responseHeaders),
  TRAILER: header((info) => info.responseTrailers),
  REQUEST_HEADER: header((info) => info.requestHeaders),
  RESPONSE_HEADER: header((info) => info.responseHeaders),
  PATH: ({ argument, maxLength }) => pathProvider(argument, maxLength),
  PROTOCOL: plain((info) => nonEmpty(info.protocol)),
  REQUEST_DURATION: plain(since((info) => info.requestCompleteAt)),
  REQUEST_TX_DURATION: plain(since((info) => (info.upstreamFirstByteSentAt > 0 ? info.upstreamLastByteSentAt : 0))),
  RESPONSE_DURATION: plain(since((info) => info.upstreamFirstByteReceivedAt)),
  RESPONSE_TX_DURATION: plain((info) =>
    info.completeAt > 0 && info.upstreamFirstByteReceivedAt > 0
      ? Math.floor(info.completeAt - info.upstreamFirstByteReceivedAt)
      : undefined,
  ),
  DOWNSTREAM_HANDSHAKE_DURATION: plain((info) =>
    info.connection.handshakeMs === undefined ? undefined : Math.floor(info.connection.handshakeMs),
  ),
  ROUNDTRIP_DURATION: plain(() => undefined),
  DURATION: plain((info) => (info.completeAt > 0 ? Math.floor(info.completeAt - info.startMonotonic) : undefined)),
  COMMON_DURATION: ({ argument }) => commonDuration(argument ?? ""),
  BYTES_RECEIVED: plain((info) => info.bytesReceived),
  BYTES_SENT: plain((info) => info.bytesSent),
  UPSTREAM_WIRE_BYTES_RECEIVED: plain((info) => info.upstreamBytesReceived),
  UPSTREAM_WIRE_BYTES_SENT: plain((info) => info.upstreamBytesSent),
  ACCESS_LOG_TYPE: plain((info) => info.accessLogType),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: plain((info) => info.requestHeaderBytes),
  DOWNSTREAM_HEADER_BYTES_SENT: plain((info) => info.responseHeaderBytes),
  RESPONSE_CODE: plain((info) => info.responseCode),
  RESPONSE_CODE_DETAILS: ({ argument }) => {
    if (argument !== undefined && argument !== "ALLOW_WHITESPACES") throw new FormatError("Invalid RESPONSE_CODE_DETAILS parameter");
    return (info) => (info.responseCodeDetails === "" && !info.hasDetails ? undefined : info.responseCodeDetails);
  },
  CONNECTION_TERMINATION_DETAILS: plain((info) => nonEmpty(info.connectionTerminationDetails)),
  RESPONSE_FLAGS: plain((info) => formatResponseFlags(info, false)),
  RESPONSE_FLAGS_LONG: plain((info) => formatResponseFlags(info, true)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain((info) => nonEmpty(info.upstreamTransportFailureReason.replaceAll(" ", "_"))),
  UPSTREAM_HOST: plain((info) => nonEmpty(info.upstreamHost)),
  UPSTREAM_REMOTE_ADDRESS: plain((info) => nonEmpty(upstreamPeer(info))),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain((info) => ipOf(upstreamPeer(info))),
  UPSTREAM_REMOTE_PORT: plain((info) => portOf(upstreamPeer(info))),
  UPSTREAM_LOCAL_ADDRESS: plain((info) => nonEmpty(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain((info) => ipOf(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: plain((info) => portOf(info.upstreamLocalAddress)),
  UPSTREAM_CLUSTER: plain((info) => nonEmpty(info.clusterAltName || info.clusterName)),
  UPSTREAM_CLUSTER_RAW: plain((info) => nonEmpty(info.clusterName)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((info) => info.upstreamRequestAttemptCount),
  UPSTREAM_PROTOCOL: plain((info) => nonEmpty(info.upstreamProtocol)),
  UPSTREAM_CONNECTION_ID: plain(() => undefined),
  DOWNSTREAM_LOCAL_ADDRESS: plain((info) => nonEmpty(info.connection.localAddress)),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain((info) => nonEmpty(info.connection.localIp)),
  DOWNSTREAM_LOCAL_PORT: plain((info) => info.connection.localPort),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: plain((info) => nonEmpty(info.connection.directLocalAddress)),
  DOWNSTREAM_REMOTE_ADDRESS: plain((info) => nonEmpty(info.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain((info) => ipOf(info.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: plain((info) => portOf(info.downstreamRemoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain((info) => nonEmpty(info.connection.directRemoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: plain((info) => nonEmpty(info.connection.directRemoteIp)),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain((info) => portOf(info.connection.directRemoteAddress)),
  CONNECTION_ID: plain((info) => info.connection.connectionId),
  STREAM_ID: plain((info) => nonEmpty(info.requestId)),
  ...tlsOperators(plain),
  REQUESTED_SERVER_NAME: plain((info) => nonEmpty(info.connection.requestedServerName)),
  ROUTE_NAME: plain((info) => nonEmpty(info.routeName)),
  VIRTUAL_CLUSTER_NAME: plain(() => undefined),
  FILTER_CHAIN_NAME: plain((info) => nonEmpty(info.connection.filterChainName)),
  HOSTNAME: plain(() => hostname),
  GRPC_STATUS: ({ argument }) => grpcStatus(argument),
  GRPC_STATUS_NUMBER: plain((info) => grpcStatusNumber(info)),
  DYNAMIC_METADATA: metadata((info) => info.dynamicMetadata),
  CLUSTER_METADATA: metadata((info) => info.clusterMetadata),
  UPSTREAM_METADATA: metadata((info) => info.upstreamHostMetadata),
  METADATA: ({ command, argument, maxLength }) => {
    const [kind, ...rest] = (argument ?? "").split(":");
    const read = METADATA_KINDS[kind];
    if (read === undefined) throw new FormatError(`${kind} is not supported type of metadata`);
    return metadata(read)({ command, argument: rest.join(":"), maxLength });
  },
  FILTER_STATE: ({ argument, maxLength }) => {
    if (argument === undefined || argument === "") throw new FormatError("Invalid filter state serialize type");
    const [name, kind] = argument.split(":");
    if (kind !== undefined && kind !== "PLAIN" && kind !== "TYPED")
      throw new FormatError(`Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.`);
    return (info) => {
      const value = info.filterState?.get(name);
      if (value === undefined) return undefined;
      const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).latin1Slice();
      return maxLength === undefined ? text : text.slice(0, maxLength);
    };
  },
  ENVIRONMENT: ({ argument, maxLength }) => {
    // Read once, and a dash for what is not there even where empty values are left out.
    const value = environment(argument ?? "") ?? "-";
    return () => (maxLength === undefined ? value : value.slice(0, maxLength));
  },
};

let hostname = "";
let environment: (name: string) => string | undefined = () => undefined;

/** Set once at start: what %HOSTNAME% and %ENVIRONMENT% read. */
export function setFormatterEnvironment(host: string, read: (name: string) => string | undefined): void {
  hostname = host;
  environment = read;
}

function pathProvider(argument: string | undefined, maxLength: number | undefined): Provider {
  const [query = "WQ", source = "ORIG_OR_PATH"] = (argument ?? "").split(":").filter((part) => part !== "");
  if (!["WQ", "NQ"].includes(query)) throw new FormatError(`Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
  if (!["ORIG", "PATH", "ORIG_OR_PATH"].includes(source))
    throw new FormatError(`Invalid PATH option: '${source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`);
  return (info) => {
    const headers = info.requestHeaders;
    const original = source === "PATH" ? undefined : headers?.get("x-envoy-original-path");
    let path = original ?? (source === "ORIG" ? undefined : headers?.get(":path"));
    if (path === undefined) return undefined;
    if (query === "NQ") path = path.split("?")[0];
    return maxLength === undefined ? path : path.slice(0, maxLength);
  };
}

function commonDuration(argument: string): Provider {
  const [from, to, unit = "ms"] = argument.split(":");
  const start = TIME_POINTS[from];
  const end = TIME_POINTS[to ?? ""];
  const scale = DURATION_UNITS[unit];
  if (start === undefined || end === undefined || scale === undefined) throw new FormatError("Invalid common duration configuration.");
  return (info) => {
    const a = start(info);
    const b = end(info);
    return a > 0 && b >= a ? Math.floor((b - a) * scale) : undefined;
  };
}

const GRPC_NAMES = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

export function grpcStatusNumber(info: StreamInfo): number | undefined {
  if (!isGrpcRequest(info.requestHeaders)) return undefined;
  const text = info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status");
  // An answer that is no gRPC has the status that its code stands for.
  if (text === undefined) return info.responseCode === 0 ? undefined : grpcStatusOf(info.responseCode);
  return !/^\d+$/.test(text) ? undefined : Number(text);
}

function grpcStatus(argument: string | undefined): Provider {
  if (argument !== undefined && !["CAMEL_STRING", "SNAKE_STRING", "NUMBER"].includes(argument)) {
    throw new FormatError("GRPC_STATUS only supports CAMEL_STRING, SNAKE_STRING or NUMBER.");
  }
  return (info) => {
    const status = grpcStatusNumber(info);
    if (status === undefined || argument === "NUMBER") return status;
    const name = GRPC_NAMES[status];
    if (name === undefined) return String(status);
    if (argument !== "SNAKE_STRING") return name;
    return name === "OK" ? "OK" : name.replace(/(?!^)[A-Z]/g, (c) => `_${c}`).toUpperCase();
  };
}

const TOKEN = /%([A-Z0-9_]+)(?:\(((?:[^()]|\([^()]*\))*)\))?(?::(\d+))?%/y;

interface Part {
  readonly text: string;
  readonly provider: Provider | undefined;
}

function parse(format: string): Part[] {
  const parts: Part[] = [];
  let text = "";
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf("%", at);
    if (percent < 0) {
      text += format.slice(at);
      break;
    }
    text += format.slice(at, percent);
    if (format.charCodeAt(percent + 1) === 0x25) {
      text += "%";
      at = percent + 2;
      continue;
    }
    TOKEN.lastIndex = percent;
    const token = TOKEN.exec(format);
    if (token === null) throw new FormatError(`Incorrect configuration: ${format}. Couldn't find valid command at position ${percent}`);
    const [whole, command, argument, length] = token;
    const operator = Object.hasOwn(OPERATORS, command) ? OPERATORS[command] : undefined;
    if (operator === undefined) throw new FormatError(`Not supported field in StreamInfo: ${command}`);
    if (text !== "") parts.push({ text, provider: undefined });
    text = "";
    parts.push({ text: "", provider: operator({ command, argument, maxLength: length === undefined ? undefined : Number(length) }) });
    at = percent + whole.length;
  }
  if (text !== "") parts.push({ text, provider: undefined });
  return parts;
}

/** Throws FormatError for what checkFormat() refuses. */
export function compileFormat(format: string, omitEmptyValues = false): Formatter {
  const parts = parse(format);
  const absent = omitEmptyValues ? "" : "-";
  if (parts.length === 0) return { format: () => "", single: undefined };
  if (parts.length === 1 && parts[0].provider === undefined) {
    const constant = parts[0].text;
    return { format: () => constant, single: undefined };
  }
  const single = parts.length === 1 ? parts[0].provider : undefined;
  return {
    single,
    format: (info) => {
      let out = "";
      for (let i = 0; i < parts.length; i++) {
        const provider = parts[i].provider;
        out += provider === undefined ? parts[i].text : (provider(info) ?? absent);
      }
      return out;
    },
  };
}

/** Why the format is refused, or undefined. */
export function checkFormat(format: string): string | undefined {
  try {
    parse(format);
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}
