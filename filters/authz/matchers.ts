// One value of a policy, compiled. Text follows Istio: `*` is any non-empty value, `*x` a suffix, `x*` a prefix, all else is
// exact; a `*` elsewhere is an ordinary character.

import { ByteString } from "sluice/sdk";
import { CidrRange } from "./address";
import { AddressAttribute, Attribute, PortAttribute } from "./attributes";
import { PathTemplate } from "./path-template";

/** Says whether a request's attribute has a certain value. */
export abstract class Matcher {
  abstract matches(attribute: Attribute): bool;
}

const enum TextKind {
  Present,
  NotEmpty,
  Exact,
  Prefix,
  Suffix,
}

/** A text of a policy. Matches an attribute if any of its values matches. */
export class TextMatcher extends Matcher {
  constructor(
    private kind: TextKind,
    private text: ByteString,
    private ignoreCase: bool,
  ) {
    super();
  }

  static parse(pattern: string): TextMatcher {
    return TextMatcher.create(pattern, TextKind.NotEmpty, false);
  }

  /** As `parse`, but `*` also matches an empty value: for a header it means that the header is there. */
  static parseHeader(pattern: string, ignoreCase: bool = false): TextMatcher {
    return TextMatcher.create(pattern, TextKind.Present, ignoreCase);
  }

  static exact(text: string): TextMatcher {
    return new TextMatcher(TextKind.Exact, ByteString.of(text), false);
  }

  static prefix(text: string): TextMatcher {
    return new TextMatcher(TextKind.Prefix, ByteString.of(text), false);
  }

  static suffix(text: string): TextMatcher {
    return new TextMatcher(TextKind.Suffix, ByteString.of(text), false);
  }

  static notEmpty(): TextMatcher {
    return new TextMatcher(TextKind.NotEmpty, ByteString.EMPTY, false);
  }

  private static create(pattern: string, star: TextKind, ignoreCase: bool): TextMatcher {
    if (pattern == "*") return new TextMatcher(star, ByteString.EMPTY, false);
    let kind: TextKind = TextKind.Exact;
    let text = pattern;
    if (pattern.startsWith("*")) {
      kind = TextKind.Suffix;
      text = pattern.substring(1);
    } else if (pattern.endsWith("*")) {
      kind = TextKind.Prefix;
      text = pattern.substring(0, pattern.length - 1);
    }
    const bytes = ByteString.of(text);
    return new TextMatcher(kind, ignoreCase ? bytes.toLowerCase() : bytes, ignoreCase);
  }

  override matches(attribute: Attribute): bool {
    const values = attribute.values();
    for (let i = 0; i < values.length; i++) {
      if (this.matchesValue(values[i])) return true;
    }
    return false;
  }

  private matchesValue(raw: ByteString): bool {
    const value = this.ignoreCase ? raw.toLowerCase() : raw;
    const kind = this.kind;
    if (kind == TextKind.Exact) return value.equals(this.text);
    if (kind == TextKind.Prefix) return value.startsWith(this.text);
    if (kind == TextKind.Suffix) return value.endsWith(this.text);
    return kind == TextKind.Present || value.length > 0;
  }
}

/** A text with `*` for any bytes anywhere, matched against the whole value. */
export class GlobMatcher extends Matcher {
  private parts: ByteString[] = [];

  constructor(pattern: string) {
    super();
    const parts = pattern.split("*");
    for (let i = 0; i < parts.length; i++) this.parts.push(ByteString.of(parts[i]));
  }

  override matches(attribute: Attribute): bool {
    const values = attribute.values();
    for (let i = 0; i < values.length; i++) {
      if (this.matchesValue(values[i])) return true;
    }
    return false;
  }

  private matchesValue(value: ByteString): bool {
    const parts = this.parts;
    const last = parts.length - 1;
    if (last == 0) return value.equals(parts[0]);
    if (!value.startsWith(parts[0])) return false;
    let at = parts[0].length;
    for (let i = 1; i < last; i++) {
      const found = value.indexOf(parts[i], at);
      if (found < 0) return false;
      at = found + parts[i].length;
    }
    return value.length - parts[last].length >= at && value.endsWith(parts[last]);
  }
}

/** A path with `{*}` or `{**}`. */
export class TemplateMatcher extends Matcher {
  constructor(private template: PathTemplate) {
    super();
  }

  override matches(attribute: Attribute): bool {
    const values = attribute.values();
    return values.length > 0 && this.template.matches(values[0]);
  }
}

/** A range of addresses. */
export class CidrMatcher extends Matcher {
  constructor(private range: CidrRange) {
    super();
  }

  override matches(attribute: Attribute): bool {
    const address = (attribute as AddressAttribute).address();
    return address != null && this.range.contains(address);
  }
}

/** A port number. */
export class PortMatcher extends Matcher {
  constructor(private port: i64) {
    super();
  }

  override matches(attribute: Attribute): bool {
    attribute.values();
    return (attribute as PortAttribute).port == this.port;
  }
}

/** Issuer and subject of the token, as `issuer/subject`. The attribute is the issuer; the subject comes along. */
export class RequestPrincipalMatcher extends Matcher {
  constructor(
    private issuer: TextMatcher,
    private subject: TextMatcher,
    private subjectAttribute: Attribute,
  ) {
    super();
  }

  /** The last slash divides, because an issuer may be a URL. */
  static parse(pattern: string, subjectAttribute: Attribute): RequestPrincipalMatcher {
    const slash = pattern.lastIndexOf("/");
    const issuer = slash < 0 ? pattern : pattern.substring(0, slash);
    const subject = slash < 0 ? "" : pattern.substring(slash + 1);
    let issuerMatcher = TextMatcher.exact(issuer);
    let subjectMatcher = TextMatcher.exact(subject);
    if (pattern == "*") {
      issuerMatcher = TextMatcher.notEmpty();
      subjectMatcher = TextMatcher.notEmpty();
    } else if (pattern.startsWith("*")) {
      if (slash < 0) {
        issuerMatcher = TextMatcher.notEmpty();
        subjectMatcher = TextMatcher.suffix(pattern.substring(1));
      } else {
        issuerMatcher = issuer == "*" ? TextMatcher.notEmpty() : TextMatcher.suffix(issuer.substring(1));
      }
    } else if (pattern.endsWith("*")) {
      if (slash < 0) {
        issuerMatcher = TextMatcher.prefix(pattern.substring(0, pattern.length - 1));
        subjectMatcher = TextMatcher.notEmpty();
      } else {
        subjectMatcher = subject == "*" ? TextMatcher.notEmpty() : TextMatcher.prefix(subject.substring(0, subject.length - 1));
      }
    }
    return new RequestPrincipalMatcher(issuerMatcher, subjectMatcher, subjectAttribute);
  }

  override matches(attribute: Attribute): bool {
    return this.issuer.matches(attribute) && this.subject.matches(this.subjectAttribute);
  }
}
