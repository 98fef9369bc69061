// Metric ids of one VM: they step by four with the type in the low two bits, as in Envoy. The series behind them belong to
// the process and are shared by all VMs and workers.
import { type MetricType, TokenStep, MetricType as Type, WasmResult } from "./abi.ts";
import type { WasmLimits } from "./limits.ts";
import type { MetricServices } from "./services.ts";

const NamePrefix = "wasmcustom.";

export class VmMetrics {
  private readonly services: MetricServices;
  private readonly limits: WasmLimits;
  /** Handles by id / 4 - 1, one list for each type. */
  private readonly handles: [number[], number[], number[]] = [[], [], []];
  private defined = 0;

  constructor(services: MetricServices, limits: WasmLimits) {
    this.services = services;
    this.limits = limits;
  }

  /** Defining a series again gives a new id on it. Undefined when a limit is reached. */
  define(type: MetricType, name: string): number | undefined {
    if (name.length > this.limits.maxMetricNameBytes || this.defined >= this.limits.maxMetrics) return undefined;
    const handle = this.services.define(type, NamePrefix + name);
    if (handle === undefined) return undefined;
    this.defined++;
    const handles = this.handles[type];
    handles.push(handle);
    return handles.length * TokenStep + type;
  }

  private handleOf(id: number): number | undefined {
    const type = id % TokenStep;
    return type > Type.Histogram ? undefined : this.handles[type][Math.floor(id / TokenStep) - 1];
  }

  increment(id: number, offset: number): WasmResult {
    const handle = this.handleOf(id);
    if (handle === undefined) return WasmResult.NotFound;
    const type = id % TokenStep;
    if (type === Type.Histogram || (type === Type.Counter && offset <= 0)) return WasmResult.BadArgument;
    this.services.increment(handle, offset);
    return WasmResult.Ok;
  }

  record(id: number, value: number): WasmResult {
    const handle = this.handleOf(id);
    if (handle === undefined) return WasmResult.NotFound;
    // Recording into a counter adds, as in Envoy.
    if (id % TokenStep === Type.Counter) this.services.increment(handle, value);
    else this.services.record(handle, value);
    return WasmResult.Ok;
  }

  value(id: number): bigint | WasmResult {
    const handle = this.handleOf(id);
    if (handle === undefined) return WasmResult.NotFound;
    if (id % TokenStep === Type.Histogram) return WasmResult.BadArgument;
    const value = this.services.value(handle);
    return Number.isFinite(value) ? BigInt.asUintN(64, BigInt(Math.trunc(value))) : 0n;
  }
}
