/** Builds the element, its file for pages without a bundler, and the bare chat page. */

import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { build, transform } from "esbuild";

import { buildTypes } from "./types.mjs";

const BUDGET_BYTES = 45 * 1024;
const STATIC = "../../chatkit_server/static";

/** The style sheet becomes a minified string in the script. */
const cssAsText = {
  name: "css-as-text",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

const shared = {
  bundle: true,
  format: "esm",
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
  entryPoints: ["src/index.ts"],
  outfile: "dist/element.js",
  external: ["preact", "preact/*", "marked"],
});
await build({
  ...shared,
  entryPoints: ["src/standalone.ts"],
  outfile: "dist/chatkit-element.js",
  minify: true,
});
// The page's own script imports the element that lies beside it.
await build({
  ...shared,
  entryPoints: ["pages/chat.ts"],
  outfile: "dist/chat.js",
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

mkdirSync(STATIC, { recursive: true });
for (const name of ["chatkit-element.js", "chat.js"])
  copyFileSync(`dist/${name}`, `${STATIC}/${name}`);
for (const name of ["chat.html", "chat.css"]) copyFileSync(`pages/${name}`, `${STATIC}/${name}`);

const size = gzipSync(readFileSync("dist/chatkit-element.js"), { level: 9 }).length;
console.log(`chatkit-element.js: ${(size / 1024).toFixed(1)} KB gz of ${BUDGET_BYTES / 1024}`);
if (size > BUDGET_BYTES) {
  console.error("The element is over its budget.");
  process.exit(1);
}
