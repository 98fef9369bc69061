// Generates dist/protos from the .proto files: gen.js (protobufjs static code: wire bytes ↔ messages) and schema.js
// (a table of fields, enums and constraints for the proto-JSON reader, which needs names and not code).
// Skips when nothing changed: the digest of all inputs is kept beside the output.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import protobuf from "protobufjs";
import pbjs from "protobufjs-cli/pbjs.js";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "dist", "protos");
const sources = readdirSync(here, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".proto"))
  .sort();

const versionOf = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;
const hash = createHash("sha256").update(versionOf("protobufjs")).update(versionOf("protobufjs-cli"));
for (const name of ["generate.mjs", ...sources]) hash.update(name).update(readFileSync(join(here, name)));
const digest = hash.digest("hex");
const digestFile = join(out, "digest.txt");
const isCurrent = existsSync(digestFile) && readFileSync(digestFile, "utf8") === digest;

if (!isCurrent) {
  mkdirSync(out, { recursive: true });
  const root = new protobuf.Root();
  // validate/ holds only options; protobufjs keeps those as text, so the messages need not exist.
  for (const name of sources) {
    if (name.startsWith("validate/")) continue;
    protobuf.parse(readFileSync(join(here, name), "utf8"), root, { keepCase: true });
  }
  root.resolveAll();
  write("schema.js", `export default JSON.parse(${JSON.stringify(JSON.stringify(schemaOf(root)))});\n`);

  const bundle = join(out, "root.json");
  writeFileSync(bundle, JSON.stringify(root.toJSON({ keepComments: false }), withoutOptions));
  const left = ["create", "verify", "delimited", "typeurl", "comments", "service", "beautify"].map((part) => `--no-${part}`);
  const code = await promisify(pbjs.main)(["-t", "static-module", "-w", "esm", "--keep-case", "--force-number", ...left, bundle]);
  rmSync(bundle);
  write("gen.js", code);
  writeFileSync(digestFile, digest);
  console.log(`protos: ${sources.length} files -> ${relative(process.cwd(), out)}`);
}

/** A file appears whole or not at all: a build that is broken off leaves no half of it behind. */
function write(name, text) {
  const path = join(out, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function withoutOptions(key, value) {
  return key === "options" ? undefined : value;
}

/** Fields are [name, number, type, label, oneof, rules]; trailing absent members are left off. */
function schemaOf(root) {
  const schema = { messages: {}, enums: {}, requiredOneofs: {} };
  const visit = (space) => {
    for (const object of space.nestedArray) {
      const name = object.fullName.slice(1);
      if (object instanceof protobuf.Enum) schema.enums[name] = object.values;
      if (object instanceof protobuf.Type) {
        schema.messages[name] = object.fieldsArray.map(fieldOf);
        const required = object.oneofsArray.filter((one) => one.options?.["(validate.required)"]).map((one) => one.name);
        if (required.length > 0) schema.requiredOneofs[name] = required;
      }
      if (object.nestedArray) visit(object);
    }
  };
  visit(root);
  return schema;
}

function fieldOf(field) {
  const type = field.resolvedType ? field.resolvedType.fullName.slice(1) : field.type;
  const label = field.map ? `map:${field.keyType}` : field.repeated ? "repeated" : "";
  const rules = Object.assign({}, ...(field.parsedOptions ?? []).map((option) => option["(validate.rules)"] ?? {}));
  const row = [field.name, field.id, type, label, field.partOf?.name ?? "", rules];
  if (Object.keys(rules).length === 0) row.pop();
  while (row.at(-1) === "") row.pop();
  return row;
}
