// Stands where a filter should be whose configuration was to come by discovery and has not: the chain answers 500 rather than letting
// requests pass without it (Envoy's MissingConfigFilter).
import {
  type FilterCallbacks,
  FilterHeadersStatus,
  PassThroughFilter,
  type StreamFilter,
  type StreamFilterFactory,
} from "../http/filter.ts";
import { ResponseFlag } from "../http/stream-info.ts";

class MissingConfigFilter extends PassThroughFilter {
  private readonly callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    super();
    this.callbacks = callbacks;
  }

  override decodeHeaders(): FilterHeadersStatus {
    this.callbacks.info.setFlag(ResponseFlag.NoFilterConfigFound);
    this.callbacks.sendLocalReply({ status: 500, body: "", details: "" });
    return FilterHeadersStatus.StopIteration;
  }
}

export class MissingConfigFactory implements StreamFilterFactory {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new MissingConfigFilter(callbacks);
  }

  close(): void {}
}
