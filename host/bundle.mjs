// Bundles the compiled host into dist/bin: sluice.js (the command line), worker.js (a data plane), protos.js (the codecs of binary
// messages, loaded when the first one comes). Nothing is minified, so stack traces keep their names. Only koffi stays outside: native code.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "dist", "bin");
const stateFile = join(out, "inputs.json");
const entries = { sluice: "dist/host/main.js", worker: "dist/host/server/worker.js", protos: "dist/protos/gen.js" };

/** Files that the last bundle was made of, with the times of their last writes. */
function stampOf(files) {
  return Object.fromEntries(files.map((file) => [file, existsSync(join(root, file)) ? statSync(join(root, file)).mtimeMs : 0]));
}

function isCurrent() {
  if (!existsSync(stateFile)) return false;
  const state = JSON.parse(readFileSync(stateFile, "utf8"));
  return JSON.stringify(state) === JSON.stringify(stampOf(Object.keys(state)));
}

/** The generated codecs are a file of their own: 1.6 MB that a configuration from YAML never needs. */
const separateProtos = {
  name: "separate-protos",
  setup(build) {
    build.onResolve({ filter: /\/protos\/gen\.js$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./protos.js", external: true } : null,
    );
  },
};

async function bundle() {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: out,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["koffi"],
    sourcemap: "linked",
    sourcesContent: false,
    metafile: true,
    plugins: [separateProtos],
    // yaml, protobufjs and pino are CommonJS and ask for Node's own modules by require().
    banner: { js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);' },
    logLevel: "warning",
  });
  chmodSync(join(out, "sluice.js"), 0o755);
  const inputs = Object.keys(metafile.inputs).filter((file) => !file.startsWith("<"));
  writeFileSync(stateFile, JSON.stringify(stampOf([...inputs, relative(root, fileURLToPath(import.meta.url)), "package.json"])));
}

mkdirSync(out, { recursive: true });
if (!isCurrent()) {
  // esbuild has said what is wrong.
  await bundle().catch(() => process.exit(1));
}
