// %START_TIME(format)%: strftime with Envoy's sub-second extensions (%3f, %6f, %9f, %f, and %s for seconds since 1970), in UTC.
import type { Provider } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

type Field = (date: Date, ms: number) => string;

const FIELDS: Readonly<Record<string, Field>> = {
  Y: (d) => String(d.getUTCFullYear()),
  y: (d) => pad(d.getUTCFullYear() % 100, 2),
  m: (d) => pad(d.getUTCMonth() + 1, 2),
  d: (d) => pad(d.getUTCDate(), 2),
  e: (d) => String(d.getUTCDate()).padStart(2, " "),
  H: (d) => pad(d.getUTCHours(), 2),
  I: (d) => pad(d.getUTCHours() % 12 || 12, 2),
  M: (d) => pad(d.getUTCMinutes(), 2),
  S: (d) => pad(d.getUTCSeconds(), 2),
  p: (d) => (d.getUTCHours() < 12 ? "AM" : "PM"),
  a: (d) => DAYS[d.getUTCDay()].slice(0, 3),
  A: (d) => DAYS[d.getUTCDay()],
  b: (d) => MONTHS[d.getUTCMonth()].slice(0, 3),
  h: (d) => MONTHS[d.getUTCMonth()].slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()],
  j: (d) => pad(Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / 86_400_000) + 1, 3),
  F: (d) => d.toISOString().slice(0, 10),
  T: (d) => d.toISOString().slice(11, 19),
  D: (d) => `${pad(d.getUTCMonth() + 1, 2)}/${pad(d.getUTCDate(), 2)}/${pad(d.getUTCFullYear() % 100, 2)}`,
  R: (d) => d.toISOString().slice(11, 16),
  z: () => "+0000",
  Z: () => "UTC",
  s: (d) => String(Math.floor(d.getTime() / 1000)),
  n: () => "\n",
  t: () => "\t",
  "%": () => "%",
};

function subSecond(digits: number): Field {
  return (_date, ms) => pad(Math.floor((ms % 1000) * 1_000_000), 9).slice(0, digits);
}

/** Default: 2026-01-02T03:04:05.678Z. */
export function formatStartTime(format: string | undefined, read: (info: StreamInfo) => number): Provider {
  if (format === undefined || format === "") return (info) => new Date(read(info)).toISOString();
  const parts: (string | Field)[] = [];
  for (const [, digits, letter, text] of format.matchAll(/%([1-9]?)([A-Za-z%])|([^%]+|%)/g)) {
    if (text !== undefined) parts.push(text);
    else if (letter === "f") parts.push(subSecond(digits === "" ? 9 : Number(digits)));
    else parts.push(FIELDS[letter] ?? `%${digits}${letter}`);
  }
  return (info) => {
    const ms = read(info);
    const date = new Date(ms);
    let out = "";
    for (const part of parts) out += typeof part === "string" ? part : part(date, ms);
    return out;
  };
}
