// The version, from the package that this file was built in.
import { readFileSync } from "node:fs";

interface Package {
  readonly version: string;
}

/** dist/bin/sluice.js and dist/host/server/version.js lie at different depths below the package. */
function readVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const text = readFileSync(new URL(up, import.meta.url), "utf8");
      return (JSON.parse(text) as Package).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("package.json is missing");
}

export const VERSION = readVersion();
