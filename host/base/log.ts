// The host's own log as the code sees it: leveled, by component. The main thread writes it with pino; workers send lines there.

export const LOG_LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Components as operators name them in --component-log-level and /logging. */
export const LOG_COMPONENTS = ["admin", "config", "main", "http", "connection", "upstream", "wasm", "file", "misc"] as const;
export type LogComponent = (typeof LOG_COMPONENTS)[number];

export interface Logger {
  log(level: LogLevel, component: LogComponent, message: string): void;
  /** Cheap check to guard the making of a message. */
  enabled(level: LogLevel, component: LogComponent): boolean;
}

export function levelNumber(level: LogLevel): number {
  return LOG_LEVELS.indexOf(level);
}

export function isLogLevel(text: string): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text);
}

export function isLogComponent(text: string): text is LogComponent {
  return (LOG_COMPONENTS as readonly string[]).includes(text);
}

/** Levels by component with a default; shared by the main thread's and the workers' loggers. */
export class LogLevels {
  private readonly levels: Record<LogComponent, number>;

  constructor(level: LogLevel) {
    const initial = {} as Record<LogComponent, number>;
    for (const component of LOG_COMPONENTS) initial[component] = levelNumber(level);
    this.levels = initial;
  }

  enabled(level: LogLevel, component: LogComponent): boolean {
    return levelNumber(level) >= this.levels[component];
  }

  set(component: LogComponent, level: LogLevel): void {
    this.levels[component] = levelNumber(level);
  }

  setAll(level: LogLevel): void {
    for (const component of LOG_COMPONENTS) this.levels[component] = levelNumber(level);
  }

  entries(): readonly (readonly [LogComponent, LogLevel])[] {
    return LOG_COMPONENTS.map((component) => [component, LOG_LEVELS[this.levels[component]]] as const);
  }
}
