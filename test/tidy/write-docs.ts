// `npm run docs`: writes the tables of the documents anew.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { documents, render } from "./docs.ts";
import { readSource, root } from "./sources.ts";

for (const path of documents) {
  const { text } = readSource(path);
  const rendered = render(text);
  if (rendered === text) continue;
  writeFileSync(join(root, path), rendered);
  console.log(`${path}: written`);
}
