// The shape of the generated dist/protos/schema.js; see generate.mjs.

/** label is "repeated", "map:<key type>" or "" (absent at the end of a row as all empty members are). */
export type FieldRow = readonly [
  name: string,
  number: number,
  type: string,
  label?: string,
  oneof?: string,
  rules?: Readonly<Record<string, unknown>>,
];

declare const schema: {
  readonly messages: Readonly<Record<string, readonly FieldRow[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly requiredOneofs: Readonly<Record<string, readonly string[]>>;
};

export default schema;
