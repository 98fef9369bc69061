// Scalar values of proto-JSON: numbers also as strings, bytes as base64, and YAML's other words for true and false,
// which Envoy's YAML reader takes too.

/** The ends of 64-bit ranges are no doubles; the nearest ones are. */
const integerRanges: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-2147483648, 2147483647],
  sint32: [-2147483648, 2147483647],
  sfixed32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  fixed32: [0, 4294967295],
  int64: [-(2 ** 63), 2 ** 63],
  sint64: [-(2 ** 63), 2 ** 63],
  sfixed64: [-(2 ** 63), 2 ** 63],
  uint64: [0, 2 ** 64],
  fixed64: [0, 2 ** 64],
};

export function isScalar(type: string): boolean {
  return type in integerRanges || type === "string" || type === "bool" || type === "bytes" || type === "double" || type === "float";
}

/** undefined after a report: the value is not of this type. */
export function decodeScalar(
  type: string,
  json: unknown,
  report: (reason: string) => void,
): string | number | boolean | Uint8Array | undefined {
  switch (type) {
    case "string":
      return typeof json === "string" ? json : wrong("a string", json, report);
    case "bool":
      return decodeBool(json) ?? wrong("true or false", json, report);
    case "bytes":
      return typeof json === "string" && isBase64(json) ? new Uint8Array(Buffer.from(json, "base64")) : wrong("base64 text", json, report);
    case "double":
    case "float":
      return decodeNumber(json) ?? wrong("a number", json, report);
    default:
      return decodeInteger(type, json, report);
  }
}

function wrong(expected: string, json: unknown, report: (reason: string) => void): undefined {
  const got = typeof json === "object" && json !== null ? (Array.isArray(json) ? "a list" : "an object") : JSON.stringify(json);
  report(`expected ${expected}, got ${got}`);
  return undefined;
}

function decodeBool(json: unknown): boolean | undefined {
  if (typeof json === "boolean") return json;
  if (typeof json !== "string") return undefined;
  if (/^(y|yes|true|on)$/i.test(json)) return true;
  return /^(n|no|false|off)$/i.test(json) ? false : undefined;
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_-]*={0,2}$/.test(text);
}

function decodeNumber(json: unknown): number | undefined {
  if (typeof json === "number") return json;
  if (json === "NaN" || json === "Infinity" || json === "-Infinity") return Number(json);
  return typeof json === "string" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(json) ? Number(json) : undefined;
}

function decodeInteger(type: string, json: unknown, report: (reason: string) => void): number | undefined {
  const value = decodeNumber(json);
  if (value === undefined || !Number.isInteger(value)) return wrong("an integer", json, report);
  const [least, most] = integerRanges[type];
  if (value >= least && value <= most) return value;
  report(`integer out of range for ${type}: ${value}`);
  return undefined;
}
