// One configured limit: which requests share a bucket, and how large the bucket is.

import { ByteString, JsonValue, Property, requestHeaders, SharedValue, WasmResult } from "sluice/sdk";
import { Take } from "./bucket";

const enum PartKind {
  Header,
  Path,
  SourceAddress,
}

class Part {
  constructor(
    readonly kind: PartKind,
    readonly header: ByteString,
  ) {}

  /** The request's value; null if it has none, and then the limit does not apply. 1 host call. */
  value(): ByteString | null {
    if (this.kind != PartKind.SourceAddress) {
      const value = requestHeaders.getBytes(this.header);
      if (value == null || this.kind == PartKind.Header) return value;
      const query = value.indexOfByte(0x3f);
      return query < 0 ? value : value.slice(0, query);
    }
    const address = new Property(["source", "address"]).bytes();
    if (address == null) return null;
    let colon = address.length - 1;
    while (colon > 0 && address.at(colon) != 0x3a) colon--;
    return colon > 0 ? address.slice(0, colon) : address;
  }
}

/** A limit. */
export class Limit {
  private parts: Part[] = [];
  private name: string = "";
  readonly tokens: i64;
  private tokensPerFill: i64;
  private fillIntervalMs: i64;
  private maxKeys: u32;

  constructor(config: JsonValue) {
    config.allowOnly("name, descriptor, tokens, tokensPerFill, fillIntervalMs, maxKeys");
    this.tokens = config.get("tokens").integer(0, 1, 1_000_000_000);
    if (this.tokens == 0) config.get("tokens").fail("required");
    this.tokensPerFill = config.get("tokensPerFill").integer(this.tokens, 1, 1_000_000_000);
    this.fillIntervalMs = config.get("fillIntervalMs").integer(1000, 1, 86_400_000);
    this.maxKeys = <u32>config.get("maxKeys").integer(65536, 1, 16_777_216);
    this.name = config.get("name").string("");
    if (this.name.length == 0) config.get("name").fail("required");
    const descriptor = config.get("descriptor").array();
    for (let i = 0; i < descriptor.length; i++) this.addPart(descriptor[i]);
  }

  /** Takes a token for the current request; null if the limit does not apply or the bucket could not be updated. */
  take(nowNs: u64): Take | null {
    // FNV-1a over the values; the store cannot forget keys, so their number is bounded by hashing into `maxKeys` slots.
    let hash: u32 = 2166136261;
    for (let i = 0; i < this.parts.length; i++) {
      const value = this.parts[i].value();
      if (value == null) return null;
      for (let at = 0; at < value.length; at++) hash = (hash ^ <u32>value.at(at)) * 16777619;
      hash = (hash ^ 0xff) * 16777619;
    }
    const slot = this.parts.length == 0 ? 0 : hash % this.maxKeys;
    const bucket = new SharedValue(ByteString.of("rate-limit/" + this.name + "/" + slot.toString()));
    const take = new Take(this.tokens, this.tokensPerFill, <u64>this.fillIntervalMs * 1_000_000, nowNs);
    return bucket.update(take) == WasmResult.Ok ? take : null;
  }

  private addPart(config: JsonValue): void {
    config.allowOnly("header, path, sourceAddress");
    const header = config.get("header");
    if (header.exists) this.parts.push(new Part(PartKind.Header, header.bytes().toLowerCase()));
    if (config.get("path").bool(false)) this.parts.push(new Part(PartKind.Path, ByteString.of(":path")));
    if (config.get("sourceAddress").bool(false)) this.parts.push(new Part(PartKind.SourceAddress, ByteString.EMPTY));
  }
}
