/** Builds the bubble for sites without a bundler: a small script, and the panel that it loads. */

import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { cssAsText } from "./css.mjs";

const BUDGET_BYTES = 2 * 1024;
const STATIC = "../../chatkit_server/static";

/** The panel imports the element that lies beside it. */
const elementBeside = {
  name: "element-beside",
  setup({ onResolve }) {
    onResolve({ filter: /standalone\.js$/ }, () => ({
      path: "./chatkit-element.js",
      external: true,
    }));
  },
};

const shared = {
  bundle: true,
  target: "es2022",
  minify: true,
  conditions: ["source"],
  plugins: [cssAsText, elementBeside],
  legalComments: "none",
  logLevel: "warning",
};

rmSync("dist", { recursive: true, force: true });
await build({
  ...shared,
  entryPoints: ["src/panel.ts"],
  outfile: `${STATIC}/chatkit-panel.js`,
  format: "esm",
});
await build({
  ...shared,
  entryPoints: ["src/selection.ts"],
  outfile: `${STATIC}/chatkit-selection.js`,
  format: "esm",
});
await build({
  ...shared,
  entryPoints: ["src/bubble.ts"],
  outfile: `${STATIC}/chatkit-bubble.js`,
  format: "iife",
  define: {
    PANEL: JSON.stringify([...firstLoad("chatkit-panel.js")]),
    SELECTION: JSON.stringify([
      "chatkit-selection.js",
      integrity("chatkit-selection.js", "sha256"),
    ]),
  },
});

const script = readFileSync(`${STATIC}/chatkit-bubble.js`);
const version = createHash("sha384").update(script).digest("hex").slice(0, 12);
const files = { "chatkit-bubble.js": { version, integrity: integrity("chatkit-bubble.js") } };
writeFileSync(`${STATIC}/integrity.json`, `${JSON.stringify(files, null, 2)}\n`);

const size = gzipSync(script, { level: 9 }).length;
console.log(`chatkit-bubble.js: ${size} bytes gz of ${BUDGET_BYTES}`);
console.log(`chatkit-bubble.js?v=${version} ${integrity("chatkit-bubble.js")}`);
if (size > BUDGET_BYTES) {
  console.error("The bubble is over its budget.");
  process.exit(1);
}

/** A module and all that it imports before it runs, each with its hash. */
function firstLoad(name, found = new Map()) {
  if (found.has(name)) return found;
  // A shorter hash than that of the bubble, since these stand in it.
  found.set(name, integrity(name, "sha256"));
  const code = readFileSync(`${STATIC}/${name}`, "utf8");
  for (const [, path] of code.matchAll(/(?:from|import)"(\.[^"]+\.js)"/g)) {
    firstLoad(new URL(path, `file:///${name}`).pathname.slice(1), found);
  }
  return found;
}

function integrity(name, algorithm = "sha384") {
  const hash = createHash(algorithm).update(readFileSync(`${STATIC}/${name}`));
  return `${algorithm}-${hash.digest("base64")}`;
}
