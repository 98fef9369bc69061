// The host's own log: pino, JSON lines, or short coloured ones on a terminal. Levels change at run time, by component.
import { isatty } from "node:tty";
import pino from "pino";
import { type LogComponent, type Logger, type LogLevel, LogLevels } from "../base/log.ts";

const COLOURS: Readonly<Record<Exclude<LogLevel, "off">, string>> = {
  trace: "\u001b[90m",
  debug: "\u001b[36m",
  info: "\u001b[32m",
  warning: "\u001b[33m",
  error: "\u001b[31m",
  critical: "\u001b[35m",
};

export interface HostLogger extends Logger {
  readonly levels: LogLevels;
  /** Writes what waits. */
  flush(): void;
}

export interface HostLoggerOptions {
  readonly level: LogLevel;
  readonly components: readonly (readonly [LogComponent, LogLevel])[];
  /** undefined: standard error. */
  readonly path: string | undefined;
  /** undefined: JSON unless standard error is a terminal. */
  readonly json: boolean | undefined;
}

export function createHostLogger(options: HostLoggerOptions): HostLogger {
  const levels = new LogLevels(options.level);
  for (const [component, level] of options.components) levels.set(component, level);
  const json = options.json ?? (options.path !== undefined || !isatty(2));
  const write = json ? jsonWriter(options.path) : prettyWriter();
  return {
    levels,
    enabled: (level, component) => levels.enabled(level, component),
    log(level, component, message) {
      if (level !== "off" && levels.enabled(level, component)) write.line(level, component, message);
    },
    flush: () => write.flush(),
  };
}

interface Writer {
  line(level: Exclude<LogLevel, "off">, component: LogComponent, message: string): void;
  flush(): void;
}

function jsonWriter(path: string | undefined): Writer {
  const destination = pino.destination({ dest: path ?? 2, sync: true, mkdir: true });
  const log = pino(
    { level: "trace", base: undefined, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    destination,
  );
  const calls = { trace: log.trace, debug: log.debug, info: log.info, warning: log.warn, error: log.error, critical: log.fatal } as const;
  return {
    line(level, component, message) {
      calls[level].call(log, { component }, message);
    },
    flush: () => destination.flushSync(),
  };
}

function prettyWriter(): Writer {
  const colour = process.env.NO_COLOR === undefined || process.env.NO_COLOR === "";
  return {
    line(level, component, message) {
      const time = new Date().toISOString().slice(11, 23);
      const label = colour ? `${COLOURS[level]}${level.padEnd(8)}\u001b[0m` : level.padEnd(8);
      // Control characters of a message must not drive the terminal.
      const text = message.replace(
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g,
        (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
      );
      process.stderr.write(`${time} ${label} ${component.padEnd(10)} ${text}\n`);
    },
    flush() {},
  };
}
