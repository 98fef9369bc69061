// Access logs as the data plane believes them: envoy.config.accesslog.v3 with its file and stream loggers.
import type { HeaderMatcher, RuntimeFraction } from "./matcher.ts";

export type AccessLog =
  | { readonly kind: "file"; readonly path: string; readonly format: LogFormat; readonly filter: AccessLogFilter | undefined }
  | { readonly kind: "stdout" | "stderr"; readonly format: LogFormat; readonly filter: AccessLogFilter | undefined };

/** Command operators are compiled by http/formatter; the parser has checked that they compile. */
export type LogFormat =
  | { readonly kind: "text"; readonly format: string; readonly omitEmptyValues: boolean }
  /** Keys in order; values are format strings or nested objects/lists. */
  | { readonly kind: "json"; readonly format: JsonFormat; readonly omitEmptyValues: boolean; readonly sortKeys: boolean };

export type JsonFormat = string | number | boolean | null | readonly JsonFormat[] | { readonly [key: string]: JsonFormat };

export interface Comparison {
  readonly op: "EQ" | "GE" | "LE" | "NE";
  readonly value: number;
  readonly runtimeKey: string;
}

export type AccessLogFilter =
  | { readonly kind: "status_code"; readonly comparison: Comparison }
  | { readonly kind: "duration"; readonly comparison: Comparison }
  | { readonly kind: "not_health_check" }
  | { readonly kind: "traceable" }
  | { readonly kind: "runtime"; readonly fraction: RuntimeFraction; readonly useIndependentRandomness: boolean }
  | { readonly kind: "header"; readonly matcher: HeaderMatcher }
  /** Short names such as "UH"; empty = any flag set. */
  | { readonly kind: "response_flag"; readonly flags: readonly string[] }
  | { readonly kind: "grpc_status"; readonly statuses: readonly number[]; readonly exclude: boolean }
  | { readonly kind: "and" | "or"; readonly filters: readonly AccessLogFilter[] };
