// The table of fields without meaning names fields that exist, and gives each a reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ignoredFields } from "../../../host/xds/ignored-fields.ts";
import { messageType } from "../../../host/xds/protos.ts";

test("every ignored field is a field of its message, with a reason", () => {
  const wrong: string[] = [];
  for (const [typeName, fields] of Object.entries(ignoredFields)) {
    const names = new Set(messageType(typeName)?.fields.map((field) => field.name));
    for (const [field, reason] of Object.entries(fields)) if (!names.has(field) || reason === "") wrong.push(`${typeName}.${field}`);
  }
  assert.deepEqual(wrong, []);
});
