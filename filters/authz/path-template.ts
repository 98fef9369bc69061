// Path templates as Envoy's URI template matcher reads them: `{*}` is one non-empty run of path characters without a
// slash, `{**}` any run of path characters with slashes, everything else is literal.

import { ByteString } from "sluice/sdk";

/** A compiled template. */
export class PathTemplate {
  private constructor(
    /** The literals around the operators; one more than there are operators. */
    private literals: ByteString[],
    /** For each operator whether it spans slashes. */
    private spansSlashes: bool[],
  ) {}

  static isTemplate(pattern: string): bool {
    return pattern.includes("{*}") || pattern.includes("{**}");
  }

  /**
   * Compiles a template; null if it is not one: it must start with a slash, an operator must fill its segment, and
   * none may follow `{**}`.
   */
  static parse(pattern: string): PathTemplate | null {
    if (!pattern.startsWith("/")) return null;
    const segments = pattern.substring(1).split("/");
    const literals: ByteString[] = [];
    const spans: bool[] = [];
    let literal = "";
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i];
      literal += "/";
      const spansSlashes = segment == "{**}";
      if (!spansSlashes && segment != "{*}") {
        if (segment.includes("*") || segment.includes("{") || segment.includes("}")) return null;
        literal += segment;
        continue;
      }
      if (spans.length > 0 && spans[spans.length - 1]) return null;
      literals.push(ByteString.of(literal));
      spans.push(spansSlashes);
      literal = "";
    }
    literals.push(ByteString.of(literal));
    return new PathTemplate(literals, spans);
  }

  /** Whether the whole path fits. Linear: `{*}` ends at the next slash, and only the literal behind `{**}` is left then. */
  matches(path: ByteString): bool {
    let at = 0;
    for (let i = 0; i < this.spansSlashes.length; i++) {
      const literal = this.literals[i];
      if (!path.hasAt(at, literal)) return false;
      at += literal.length;
      if (this.spansSlashes[i]) {
        const rest = this.literals[i + 1];
        const end = path.length - rest.length;
        if (end < at || !path.endsWith(rest)) return false;
        while (at < end) {
          const code = path.at(at++);
          if (code != 0x2f && !isPathCharacter(code)) return false;
        }
        return true;
      }
      const start = at;
      while (at < path.length && isPathCharacter(path.at(at))) at++;
      if (at == start) return false;
    }
    const last = this.literals[this.literals.length - 1];
    return path.hasAt(at, last) && at + last.length == path.length;
  }
}

/** RFC 3986 pchar. */
function isPathCharacter(code: i32): bool {
  const lower = code | 0x20;
  if ((lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39)) return true;
  // ! $ % & ' ( ) * + , - .
  if (code >= 0x21 && code <= 0x2e) return code != 0x22 && code != 0x23;
  // : ; = @ _ ~
  return code == 0x3a || code == 0x3b || code == 0x3d || code == 0x40 || code == 0x5f || code == 0x7e;
}
