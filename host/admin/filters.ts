// /_wasm/filters: every wasm plugin, what became of it, and where it runs. Our own; Envoy shows no such thing.
import { type AdminRequest, type AdminResponse, json, text } from "./exchange.ts";
import { redact, redactText } from "./redact.ts";
import { formatTimestamp } from "./timestamp.ts";
import type { AdminModule, AdminPlugin, AdminProblem, AdminViews } from "./views.ts";

export const FILTERS_PATH = "/_wasm/filters";

export function answerFilters(_request: AdminRequest, views: AdminViews): AdminResponse {
  return json({
    filters: views.plugins().map((plugin) => summary(plugin, views.concurrency)),
    modules: views.modules().map(moduleSummary),
  });
}

/** `name` is the id of a resource, its last part, or the plugin's name. */
export function answerFilter(request: AdminRequest, views: AdminViews): AdminResponse {
  const wanted = decodeName(request.path.slice(FILTERS_PATH.length + 1));
  const found = views.plugins().filter(({ id, name }) => id === wanted || name === wanted || id.endsWith(`/${wanted}`));
  if (found.length === 0) return text(`no filter ${wanted}; ${FILTERS_PATH} lists them\n`, 404);
  const [plugin, ...others] = found;
  return json({
    ...summary(plugin, views.concurrency),
    workers: plugin.workers.map(({ workerId, isLoaded, sha256, failure }) => ({
      worker: workerId,
      loaded: isLoaded,
      sha256,
      ...(failure === "" ? {} : { failure: redactText(failure) }),
    })),
    resource: redact(plugin.json) ?? null,
    ...(others.length === 0 ? {} : { also_named_so: others.map(({ id }) => id) }),
  });
}

function moduleSummary({ url, state, sha256, problem, retryAtMs }: AdminModule): Readonly<Record<string, unknown>> {
  return {
    url: redactText(url),
    state,
    sha256: sha256 ?? null,
    ...(problem === undefined ? {} : { problem: redactText(problem) }),
    ...(retryAtMs === undefined ? {} : { next_attempt: formatTimestamp(retryAtMs) }),
  };
}

function summary(plugin: AdminPlugin, concurrency: number): Readonly<Record<string, unknown>> {
  const loaded = plugin.workers.filter(({ isLoaded, sha256 }) => isLoaded && sha256 === plugin.sha256).length;
  return {
    id: plugin.id,
    name: plugin.name,
    source: plugin.source,
    accepted: plugin.rejected === undefined,
    loaded: `${loaded} of ${concurrency} workers`,
    loaded_workers: loaded,
    workers_total: concurrency,
    sha256: plugin.sha256 ?? null,
    ...(plugin.fetching === undefined ? {} : { fetching: redactText(plugin.fetching) }),
    since: plugin.acceptedAtMs === undefined ? null : formatTimestamp(plugin.acceptedAtMs),
    last_error: lastError(plugin),
  };
}

/** A refused change first: it is what the operator did last. */
function lastError({ rejected, workers }: AdminPlugin): unknown {
  if (rejected !== undefined) {
    return {
      stage: "configuration",
      at: formatTimestamp(rejected.atMs),
      causes: rejected.problems.map((problem) => redactText(formatProblem(problem))),
    };
  }
  const failures = workers.filter(({ failure }) => failure !== "");
  if (failures.length === 0) return null;
  return {
    stage: "running",
    causes: [...new Set(failures.map(({ failure }) => redactText(failure)))],
    on_workers: failures.map(({ workerId }) => workerId),
  };
}

function formatProblem({ path, reason, line }: AdminProblem): string {
  return `${line === undefined ? "" : `line ${line}: `}${path === "" ? "" : `${path}: `}${reason}`;
}

function decodeName(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    // Not percent-encoded: a name as it stands.
    return raw;
  }
}
