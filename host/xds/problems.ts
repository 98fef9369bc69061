// What is wrong with a configuration: every problem with the path of its field, never only the first one.

export interface Problem {
  /** For example static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix; "" is the whole document. */
  readonly path: string;
  readonly reason: string;
  /** 1-based; undefined where the document has no text or the path is not in it. */
  readonly line?: number;
  readonly column?: number;
}

export function joinField(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

export function joinIndex(path: string, index: number): string {
  return `${path}[${index}]`;
}

/** Keys that are names keep the path readable; others are quoted. */
export function joinKey(path: string, key: string): string {
  return `${path}[${JSON.stringify(key)}]`;
}

/** Collects problems; a path that is reported twice with the same reason counts once. */
export class Problems {
  readonly #byText = new Map<string, Problem>();
  readonly #paths = new Set<string>();

  add(path: string, reason: string): void {
    const problem = { path, reason };
    this.#byText.set(formatProblem(problem), problem);
    this.#paths.add(path);
  }

  /** Whether the field at the path, or a message around it, has a problem already. The whole document does not count. */
  covers(path: string): boolean {
    for (let at = path; at !== ""; at = parentOf(at)) if (this.#paths.has(at)) return true;
    return false;
  }

  get count(): number {
    return this.#byText.size;
  }

  list(): readonly Problem[] {
    return [...this.#byText.values()];
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("."), path.lastIndexOf("["), 0));
}

/** "line 4: admin.address: value is required" */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? "" : `line ${problem.line}: `;
  return place + (problem.path === "" ? problem.reason : `${problem.path}: ${problem.reason}`);
}

export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join("\n");
}
