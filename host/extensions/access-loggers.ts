// THE table of access loggers, and their filters, compiled (Envoy: "Access logging").
import { isUtf8 } from "node:buffer";
import type { Random } from "../base/system.ts";
import type { AccessLog, AccessLogFilter, Comparison, JsonFormat, LogFormat } from "../config/access-log.ts";
import type { AccessLogger } from "../http/conn-manager-config.ts";
import { compileFormat, type Formatter } from "../http/formatter.ts";
import { grpcStatusOf } from "../http/grpc.ts";
import { responseFlagBit } from "../http/response-flags.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { compileFraction, compileHeaderMatcher, type RuntimeReader } from "../router/matchers.ts";
import type { ExtensionContext } from "./context.ts";
import type { LogFile } from "./log-file.ts";

export type InfoTest = (info: StreamInfo) => boolean;

function compare(comparison: Comparison, runtime: RuntimeReader): (value: number) => boolean {
  const { op, runtimeKey, value } = comparison;
  const wanted = (): number => {
    const override = runtimeKey === "" ? undefined : runtime(runtimeKey);
    return typeof override === "number" ? override : value;
  };
  switch (op) {
    case "EQ":
      return (actual) => actual === wanted();
    case "GE":
      return (actual) => actual >= wanted();
    case "LE":
      return (actual) => actual <= wanted();
    case "NE":
      return (actual) => actual !== wanted();
  }
}

export function compileLogFilter(filter: AccessLogFilter, random: Random, runtime: RuntimeReader): InfoTest {
  switch (filter.kind) {
    case "status_code": {
      const test = compare(filter.comparison, runtime);
      return (info) => test(info.responseCode);
    }
    case "duration": {
      const test = compare(filter.comparison, runtime);
      return (info) => test(Math.floor(info.completeAt - info.startMonotonic));
    }
    case "not_health_check":
      return (info) => !info.healthCheck;
    case "traceable":
      // No tracing here yet: no request is traceable.
      return () => false;
    case "runtime": {
      const test = compileFraction(filter.fraction, runtime);
      return () => test(random);
    }
    case "header": {
      const test = compileHeaderMatcher(filter.matcher);
      return (info) => info.requestHeaders !== undefined && test(info.requestHeaders);
    }
    case "response_flag": {
      const mask = filter.flags.reduce((bits, flag) => bits | (responseFlagBit(flag) ?? 0), 0);
      return mask === 0 ? (info) => info.responseFlags !== 0 : (info) => (info.responseFlags & mask) !== 0;
    }
    case "grpc_status": {
      const { statuses, exclude } = filter;
      return (info) => statuses.includes(grpcStatusForFilter(info)) !== exclude;
    }
    case "and": {
      const tests = filter.filters.map((inner) => compileLogFilter(inner, random, runtime));
      return (info) => tests.every((test) => test(info));
    }
    case "or": {
      const tests = filter.filters.map((inner) => compileLogFilter(inner, random, runtime));
      return (info) => tests.some((test) => test(info));
    }
  }
}

/** Of any answer: the one that it carries, or the one that stands for its HTTP status. */
function grpcStatusForFilter(info: StreamInfo): number {
  const text = info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status");
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : grpcStatusOf(info.responseCode);
}

/** A format as one function from stream info to text; JSON values are typed where one operator stands alone. */
export function compileLogFormat(format: LogFormat): (info: StreamInfo) => string {
  if (format.kind === "text") {
    const formatter = compileFormat(format.format, format.omitEmptyValues);
    return (info) => formatter.format(info);
  }
  const build = compileJson(format.format, format.omitEmptyValues);
  return (info) => `${build(info) ?? "null"}\n`;
}

type JsonBuilder = (info: StreamInfo) => string | undefined;

function compileJson(format: JsonFormat, omitEmpty: boolean): JsonBuilder {
  if (typeof format === "string") return compileJsonString(compileFormat(format, omitEmpty), omitEmpty);
  if (format === null || typeof format === "number" || typeof format === "boolean") {
    const constant = JSON.stringify(format);
    return () => constant;
  }
  if (isList(format)) {
    const items = format.map((item) => compileJson(item, omitEmpty));
    return (info) => {
      const values = items.map((item) => item(info));
      return `[${(omitEmpty ? values.filter((value) => value !== undefined) : values.map((value) => value ?? "null")).join(",")}]`;
    };
  }
  // Envoy keeps the format in a map: its keys come out in order whether or not that was asked for.
  const keys = Object.keys(format).sort();
  const fields = keys.map((key) => ({ key: `${JSON.stringify(key)}:`, build: compileJson(format[key], omitEmpty) }));
  return (info) => {
    let out = "{";
    for (const { key, build } of fields) {
      const value = build(info);
      if (value === undefined) continue;
      out += out === "{" ? key + value : `,${key}${value}`;
    }
    return `${out}}`;
  };
}

function isList(format: readonly JsonFormat[] | { readonly [key: string]: JsonFormat }): format is readonly JsonFormat[] {
  return Array.isArray(format);
}

function compileJsonString(formatter: Formatter, omitEmpty: boolean): JsonBuilder {
  const single = formatter.single;
  if (single === undefined) return (info) => quote(formatter.format(info));
  return (info) => {
    const value = single(info);
    if (value === undefined) return omitEmpty ? undefined : "null";
    return typeof value === "string" ? quote(value) : String(value);
  };
}

/**
 * JSON string of bytes, one character each. UTF-8 stays as it is, other bytes are escaped one by one. Control characters of both
 * sets are escaped, so that a header cannot forge a line or drive a terminal.
 */
function quote(text: string): string {
  const json = JSON.stringify(text);
  if (!/[\x7f-\xff]/.test(json)) return json;
  if (!isUtf8(Buffer.from(json, "latin1"))) return json.replace(/[\x7f-\xff]/g, escapeByte);
  return json.replace(/\xc2([\x80-\x9f])/g, (_pair, c: string) => escapeByte(c)).replace(/\x7f/g, escapeByte);
}

function escapeByte(c: string): string {
  return `\\u00${c.charCodeAt(0).toString(16)}`;
}

class FileLogger implements AccessLogger {
  private readonly file: LogFile;
  private readonly filter: InfoTest | undefined;
  private readonly format: (info: StreamInfo) => string;

  constructor(file: LogFile, format: LogFormat, filter: InfoTest | undefined) {
    this.file = file;
    this.format = compileLogFormat(format);
    this.filter = filter;
  }

  log(info: StreamInfo): void {
    if (this.filter === undefined || this.filter(info)) this.file.write(this.format(info));
  }
}

/** The loggers of one connection manager. */
export class AccessLogs {
  readonly loggers: readonly AccessLogger[];
  private readonly files: LogFile[] = [];
  private readonly ctx: ExtensionContext;

  constructor(configs: readonly AccessLog[], ctx: ExtensionContext) {
    this.ctx = ctx;
    this.loggers = configs.map((config) => this.create(config));
  }

  private create(config: AccessLog): AccessLogger {
    const filter = config.filter === undefined ? undefined : compileLogFilter(config.filter, this.ctx.random, this.ctx.runtime);
    switch (config.kind) {
      case "file":
        return this.file(config.path, config.format, filter);
      case "stdout":
        return this.file("/dev/stdout", config.format, filter);
      case "stderr":
        return this.file("/dev/stderr", config.format, filter);
    }
  }

  private file(path: string, format: LogFormat, filter: InfoTest | undefined): AccessLogger {
    const file = this.ctx.logFiles.acquire(path);
    this.files.push(file);
    return new FileLogger(file, format, filter);
  }

  close(): void {
    for (const file of this.files) this.ctx.logFiles.release(file);
  }
}
