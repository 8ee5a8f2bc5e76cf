/** Builds the element, its file for pages without a bundler, and the bare chat page. */

import { cpSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { cssAsText } from "./css.mjs";
import { markedReader } from "./marked.mjs";
import { together } from "./together.mjs";
import { buildTypes } from "./types.mjs";

/** Gzipped KB of what every chat loads, and of what it loads when it first needs it, by entry point. */
const FIRST_LOAD_KB = 45;
const LAZY_KB = { widget: 16, questions: 3, picture: 2, details: 1, activity: 2 };
const STATIC = "../../chatkit_server/static";

const shared = {
  bundle: true,
  format: "esm",
  // What not every chat needs is imported when it is needed: a file of its own. Names under assets/
  // carry a hash of their content, and the server lets browsers keep them.
  splitting: true,
  chunkNames: "assets/[name]-[hash]",
  outdir: "dist",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  conditions: ["source"],
  plugins: [cssAsText],
  legalComments: "none",
  logLevel: "warning",
};

rmSync("dist", { recursive: true, force: true });
// What a bundler will see: preact and marked stay imports, so that a page has them once.
await build({
  ...shared,
  entryPoints: { element: "src/index.ts" },
  external: ["preact", "preact/*", "marked"],
});
const { metafile } = await build({
  ...shared,
  entryPoints: { "chatkit-element": "src/standalone.ts" },
  plugins: [together("src/standalone.ts"), cssAsText, markedReader],
  minify: true,
  metafile: true,
});
// The page's own script imports the element that lies beside it.
await build({
  ...shared,
  entryPoints: ["pages/chat.ts"],
  minify: true,
  plugins: [
    {
      name: "element-beside",
      setup({ onResolve }) {
        onResolve({ filter: /standalone\.js$/ }, () => ({
          path: "./chatkit-element.js",
          external: true,
        }));
      },
    },
  ],
});
buildTypes();

const first = firstLoad("dist/chatkit-element.js");
const chunks = Object.keys(metafile.outputs);
// Not dist/assets as it is: the files for bundlers are there too.
rmSync(`${STATIC}/assets`, { recursive: true, force: true });
mkdirSync(STATIC, { recursive: true });
for (const chunk of ["dist/chat.js", ...chunks])
  cpSync(chunk, `${STATIC}/${relative("dist", chunk)}`);
copyFileSync("pages/chat.css", `${STATIC}/chat.css`);
// Without the links the browser learns of a file only from the one that imports it.
const preload = first.map(
  (file) => `    <link rel="modulepreload" href="chat/static/${relative("dist", file)}" />\n`,
);
const html = readFileSync("pages/chat.html", "utf8");
writeFileSync(`${STATIC}/chat.html`, html.replace("  </head>", `${preload.join("")}  </head>`));

checkSize("The first load", first, FIRST_LOAD_KB);
for (const chunk of chunks.filter((file) => !first.includes(file))) {
  const name = metafile.outputs[chunk].entryPoint;
  const budget = name ? LAZY_KB[basename(name).replace(/\.tsx?$/, "")] : undefined;
  checkSize(`  later, ${basename(chunk)}`, [chunk], budget);
}

/** A file and all that it cannot run without. */
function firstLoad(entry, found = []) {
  if (found.includes(entry)) return found;
  found.push(entry);
  for (const { path, kind, external } of metafile.outputs[entry].imports) {
    if (kind === "import-statement" && !external) firstLoad(path, found);
  }
  return found;
}

function checkSize(what, files, budget) {
  const size = files.reduce((n, file) => n + gzipSync(readFileSync(file), { level: 9 }).length, 0);
  const kilobytes = size / 1024;
  console.log(`${what}: ${kilobytes.toFixed(1)} KB gz${budget ? ` of ${budget}` : ""}`);
  if (budget && kilobytes > budget) {
    console.error("That is over its budget.");
    process.exitCode = 1;
  }
}
