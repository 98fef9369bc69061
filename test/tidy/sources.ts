// What the tidy tests look at: the project's own text files, from the working tree, without build output.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** dist/test/tidy/sources.js → the package. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

const outputFolders = new Set(["node_modules", "dist", "coverage", ".git", "sluice-demo"]);

export interface Source {
  /** From the package's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

function walk(folder: string, into: string[]): string[] {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder.split(sep).join("/"), entry.name);
    if (entry.isDirectory()) {
      if (!outputFolders.has(entry.name)) walk(path, into);
    } else if (entry.isFile()) into.push(path);
  }
  return into;
}

let everything: readonly string[] | undefined;

/** All files below the folders ("" is the root), in order. */
export function listFiles(folders: readonly string[], pattern: RegExp): string[] {
  everything ??= walk("", []).sort();
  return everything.filter((path) => pattern.test(path) && folders.some((folder) => folder === "" || path.startsWith(`${folder}/`)));
}

export function readSource(path: string): Source {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

export function readSources(folders: readonly string[], pattern: RegExp): Source[] {
  return listFiles(folders, pattern).map(readSource);
}

export interface Import {
  readonly line: number;
  /** Path of the target from the package's root; a bare name of a package as it stands. */
  readonly target: string;
}

const importForm =
  /(?:^|[\s;}])(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|\bimport\s*\(\s*"([^"]+)"\s*\)|(?:^|\n)\s*import\s*"([^"]+)"/g;

export function importsOf({ path, text }: Source): Import[] {
  return [...text.matchAll(importForm)].map((match) => {
    const name = match[1] ?? match[2] ?? match[3];
    const line = text.slice(0, match.index + match[0].length).split("\n").length;
    return { line, target: name.startsWith(".") ? posix.join(posix.dirname(path), name) : name };
  });
}

/** Findings as a failing test shows them: nothing, or one a line. */
export function report(findings: readonly string[]): string {
  return findings.join("\n");
}
