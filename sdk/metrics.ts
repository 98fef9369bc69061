// Counters, gauges and histograms (ABI "Metrics"). Define them once, in `onConfigure` or `onVmStart`: defining is a host
// call, and hosts forbid it while the module itself is being initialised. Hosts export them as `wasmcustom.<name>`.

import { MetricType, WasmResult } from "./abi";
import { proxy_define_metric, proxy_get_metric, proxy_increment_metric, proxy_record_metric } from "./env";
import { NUMBER_SLOT } from "./memory";
import { KEY_TEXT } from "./text";

/**
 * A metric name with labels: `labeled("requests", ["method", "GET"])` is `requests.method=GET;.`. The ABI has no labels;
 * hosts split such names by their stats-tag rules.
 */
export function labeled(name: string, labels: string[]): string {
  let text = name;
  for (let i = 0; i + 1 < labels.length; i += 2) text += "." + labels[i] + "=" + labels[i + 1] + ";";
  return labels.length > 1 ? text + "." : text;
}

/** A number that only grows. */
export class Counter {
  private id: u32;

  /** Defines the counter, or finds the one of this name. 1 host call. */
  constructor(name: string) {
    this.id = define(MetricType.Counter, name);
  }

  /** Adds `offset`, which must be above 0. False if the host refuses. 1 host call. */
  increment(offset: i64 = 1): bool {
    return proxy_increment_metric(this.id, offset) == WasmResult.Ok;
  }

  /** The value over all VMs; 0 if the host refuses. 1 host call. */
  get value(): u64 {
    return read(this.id);
  }
}

/** A number that goes up and down. */
export class Gauge {
  private id: u32;

  /** Defines the gauge, or finds the one of this name. 1 host call. */
  constructor(name: string) {
    this.id = define(MetricType.Gauge, name);
  }

  /** Adds `offset`, which may be negative. 1 host call. */
  add(offset: i64): bool {
    return proxy_increment_metric(this.id, offset) == WasmResult.Ok;
  }

  /** Sets the value. 1 host call. */
  set(value: u64): bool {
    return proxy_record_metric(this.id, value) == WasmResult.Ok;
  }

  /** The value over all VMs; 0 if the host refuses. 1 host call. */
  get value(): u64 {
    return read(this.id);
  }
}

/** A distribution of values. */
export class Histogram {
  private id: u32;

  /** Defines the histogram, or finds the one of this name. 1 host call. */
  constructor(name: string) {
    this.id = define(MetricType.Histogram, name);
  }

  /** Observes one value. 1 host call. */
  record(value: u64): bool {
    return proxy_record_metric(this.id, value) == WasmResult.Ok;
  }
}

/** The id, or 0, which no host gives out, so later operations on a refused metric answer false. */
function define(type: MetricType, name: string): u32 {
  const ptr = KEY_TEXT.put(name);
  store<u32>(NUMBER_SLOT, 0);
  return proxy_define_metric(type, ptr, KEY_TEXT.len, NUMBER_SLOT) == WasmResult.Ok ? load<u32>(NUMBER_SLOT) : 0;
}

function read(id: u32): u64 {
  store<u64>(NUMBER_SLOT, 0);
  return proxy_get_metric(id, NUMBER_SLOT) == WasmResult.Ok ? load<u64>(NUMBER_SLOT) : 0;
}
