// The shape of the generated dist/protos/gen.js; see generate.mjs. Static protobufjs classes, nested as their packages are.

export interface Codec {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  fromObject(object: object): object;
  toObject(message: object, options: { enums: StringConstructor; longs: NumberConstructor }): Readonly<Record<string, unknown>>;
}

/** A package or a message; a message is both, as it holds its nested ones. */
export interface Namespace {
  readonly [name: string]: Namespace | Codec;
}

declare const root: Namespace;

export default root;
