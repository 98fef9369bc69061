// POST /logging: shows and changes the levels of the log, with Envoy's parameters and answers.
import { isLogLevel, LOG_LEVELS } from "../base/log.ts";
import { type AdminRequest, type AdminResponse, text } from "./exchange.ts";
import type { AdminViews } from "./views.ts";

interface Change {
  /** undefined: every component. */
  readonly component: string | undefined;
  readonly level: string;
}

export function answerLogging(request: AdminRequest, views: AdminViews): AdminResponse {
  const changes = readChanges(request.query.entries, views);
  if (typeof changes === "string") return text(`error: ${changes}\n\n${usage()}${levels(views)}`, 400);
  // Nothing is changed unless everything can be.
  for (const { component, level } of changes) views.setLogLevel(component, level);
  return text(levels(views));
}

function readChanges(parameters: readonly (readonly [string, string])[], views: AdminViews): readonly Change[] | string {
  if (parameters.length === 0) return [];
  if (parameters.length > 1) return "invalid number of parameters";
  const [[name, value]] = parameters;
  const pairs: Change[] = [];
  if (name === "level") pairs.push({ component: undefined, level: value });
  else if (name === "paths") {
    for (const pair of value.split(",")) {
      const colon = pair.lastIndexOf(":");
      pairs.push({ component: pair.slice(0, Math.max(colon, 0)), level: pair.slice(colon + 1) });
    }
  } else if (name === "group") return "group parameter requires fine-grain logging to be enabled";
  else pairs.push({ component: name, level: value });
  const known = new Set(views.logLevels().map(([component]) => component));
  for (const { component, level } of pairs) {
    if (component !== undefined && !known.has(component)) return "unknown logger name";
    if (!isLogLevel(level)) return "unknown logger level";
  }
  return pairs;
}

function usage(): string {
  return [
    "usage: /logging?<name>=<level> (change single level)",
    "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)",
    "usage: /logging?level=<level> (change all levels)",
    `levels: ${LOG_LEVELS.join(" ")}`,
    "",
  ].join("\n");
}

function levels(views: AdminViews): string {
  return `active loggers:\n${views
    .logLevels()
    .map(([component, level]) => `  ${component}: ${level}\n`)
    .join("")}\n`;
}
