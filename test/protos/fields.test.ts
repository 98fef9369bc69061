// The .proto files against two independent records of the API: the files in @grpc/grpc-js-xds (February 2024) and, for what
// is newer, newer-fields.txt. A wrong field number would read one setting as another.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import protobuf from "protobufjs";

const root = process.cwd();
const dependency = join(root, "node_modules/@grpc/grpc-js-xds/deps");

function load(folders: readonly string[]): protobuf.Root {
  const into = new protobuf.Root();
  for (const folder of folders) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      // Options of other tools, and duplicates under test folders, hold no messages of the API.
      if (!name.endsWith(".proto") || /(^|\/)(validate|annotations|tests?)\//.test(name)) continue;
      protobuf.parse(readFileSync(join(folder, name), "utf8"), into, { keepCase: true });
    }
  }
  return into;
}

/** "message field" → "number type", types as far as a file by itself says them: the last part of a name. */
function fieldsOf(space: protobuf.NamespaceBase, into = new Map<string, string>()): Map<string, string> {
  for (const object of space.nestedArray) {
    if (object instanceof protobuf.Type)
      for (const field of object.fieldsArray) into.set(`${object.fullName.slice(1)} ${field.name}`, `${field.id} ${typeOf(field)}`);
    if (object instanceof protobuf.Enum)
      for (const [name, value] of Object.entries(object.values)) into.set(`${object.fullName.slice(1)} ${name}`, `${value} enum`);
    if (object instanceof protobuf.Namespace) fieldsOf(object, into);
  }
  return into;
}

function typeOf(field: protobuf.Field): string {
  const last = field.type.slice(field.type.lastIndexOf(".") + 1);
  if (field instanceof protobuf.MapField) return `map<${field.keyType},${last}>`;
  return field.repeated ? `repeated ${last}` : last;
}

const ours = fieldsOf(load([join(root, "protos")]));
const theirs = fieldsOf(
  load(["envoy-api", "xds", "googleapis"].map((name) => join(dependency, name)).filter((folder) => readdirSync(folder).length > 0)),
);
const newer = new Map<string, string>(
  readFileSync(join(root, "test/protos/newer-fields.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [message, field, number, ...type] = line.split(" ");
      return [`${message} ${field}`, `${number} ${type.join(" ")}`] as const;
    }),
);

test("every field has the number and type of one of the two records", () => {
  const wrong: string[] = [];
  for (const [field, fact] of ours) {
    // Well-known types come with protobufjs and are compared below.
    if (field.startsWith("google.protobuf.")) continue;
    const expected = theirs.get(field) ?? newer.get(field);
    if (expected !== fact) wrong.push(`${field}: ${fact}, recorded ${expected ?? "nowhere"}`);
  }
  assert.deepEqual(wrong, []);
});

test("the newer facts are all in use", () => {
  assert.deepEqual(
    [...newer.keys()].filter((field) => !ours.has(field)),
    [],
  );
});

test("no message lost a field that the older record has", () => {
  const messages = new Set([...ours.keys()].map((field) => field.slice(0, field.indexOf(" "))));
  // Deprecated fields that the API has removed since are reserved numbers, which a field of ours may not have.
  const numbers = new Set([...ours].map(([field, fact]) => `${field.slice(0, field.indexOf(" "))} ${fact.slice(0, fact.indexOf(" "))}`));
  const lost = [...theirs].filter(([field, fact]) => {
    const message = field.slice(0, field.indexOf(" "));
    return (
      messages.has(message) &&
      !message.startsWith("google.") &&
      !ours.has(field) &&
      numbers.has(`${message} ${fact.slice(0, fact.indexOf(" "))}`)
    );
  });
  assert.deepEqual(lost, []);
});

test("well-known types are those of protobufjs", () => {
  for (const [name, file] of [
    ["Struct", "struct"],
    ["Any", "any"],
    ["Duration", "duration"],
    ["UInt32Value", "wrappers"],
    ["Timestamp", "timestamp"],
  ]) {
    const common = protobuf.Root.fromJSON(protobuf.common.get(`google/protobuf/${file}.proto`) ?? {}).lookupType(`google.protobuf.${name}`);
    for (const { name: field, id } of common.fieldsArray) {
      const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      assert.match(ours.get(`google.protobuf.${name} ${snake}`) ?? "", new RegExp(`^${id} `), `${name}.${field}`);
    }
  }
});
