// GET /stats and /stats/prometheus with Envoy's parameters.
import { renderJson } from "../stats/json.ts";
import type { StatQuery, StatsView } from "../stats/merged-stats.ts";
import { compileNameFilter } from "../stats/name-filter.ts";
import { renderPrometheus } from "../stats/prometheus.ts";
import type { StatKind } from "../stats/store.ts";
import type { TagProducer } from "../stats/tags.ts";
import { HISTOGRAM_MODES, type HistogramMode, renderText } from "../stats/text.ts";
import { type AdminRequest, type AdminResponse, escapeHtml, html, type Query, rawJson, text } from "./exchange.ts";
import type { AdminViews } from "./views.ts";

const TYPES: Readonly<Record<string, readonly StatKind[]>> = {
  All: ["text", "counter", "gauge", "histogram"],
  Counters: ["counter"],
  Gauges: ["gauge"],
  Histograms: ["histogram"],
  TextReadouts: ["text"],
};

export function answerStats(request: AdminRequest, views: AdminViews, tags: TagProducer): AdminResponse {
  const { query } = request;
  const format = query.get("format") ?? "text";
  if (format === "prometheus") return answerPrometheus(request, views, tags);
  if (!["text", "json", "html", "active-html"].includes(format))
    return text("usage: /stats?format=(html|active-html|json|prometheus|text)\n\n", 400);
  const kinds = TYPES[query.get("type") ?? "All"];
  if (kinds === undefined) return text("invalid &type= param", 400);
  const mode = histogramMode(query);
  if (mode === undefined) return wrongMode();
  const view = select(query, views, kinds);
  if (typeof view === "string") return text(view, 400);
  if (format === "json") return rawJson(renderJson(view, mode));
  const body = renderText(view, mode);
  if (format === "text") return text(body);
  const refresh = format === "active-html" ? '<meta http-equiv="refresh" content="5">' : "";
  return html(
    `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">${refresh}<title>stats</title></head><body><pre>${escapeHtml(body)}</pre></body></html>\n`,
  );
}

export function answerPrometheus({ query }: AdminRequest, views: AdminViews, tags: TagProducer): AdminResponse {
  const mode = histogramMode(query, "cumulative");
  if (mode === undefined) return wrongMode();
  if (mode !== "cumulative" && mode !== "summary") return text("unsupported prometheus histogram bucket mode", 400);
  const view = select(query, views, undefined);
  return typeof view === "string" ? text(view, 400) : text(renderPrometheus(view, tags, mode));
}

function histogramMode(query: Query, unset: HistogramMode = "summary"): HistogramMode | undefined {
  const given = query.get("histogram_buckets");
  if (given === undefined) return unset;
  // Envoy's old word for the form without buckets.
  if (given === "none") return "summary";
  return HISTOGRAM_MODES.find((mode) => mode === given);
}

function wrongMode(): AdminResponse {
  return text(`usage: /stats?histogram_buckets=(${["cumulative", "disjoint", "detailed", "summary"].join("|")})\n`, 400);
}

/** A text: why the query is refused. */
function select(query: Query, views: AdminViews, kinds: readonly StatKind[] | undefined): StatsView | string {
  const source = query.get("filter");
  const filter = source === undefined ? undefined : compileNameFilter(source);
  if (filter !== undefined && !filter.ok) return `Invalid re2 regex: ${filter.reason}`;
  const isInverted = query.has("invert_filter");
  const matches = filter === undefined ? undefined : (name: string): boolean => filter.matches(name) !== isInverted;
  views.refreshStats();
  const statQuery: StatQuery = { usedOnly: query.has("usedonly"), matches, kinds };
  return views.stats.read(statQuery);
}
