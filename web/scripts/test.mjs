/** Bundles the tests of the workspace it is started in and runs them with Node's own runner. */

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";

import { build } from "esbuild";

const outdir = "build/test";
const names = readdirSync("test").filter((name) => /\.test\.tsx?$/.test(name));
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: names.map((name) => `test/${name}`),
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["source"],
  loader: { ".css": "text" },
  sourcemap: "inline",
  logLevel: "warning",
});
const files = names.map((name) => `${outdir}/${name.replace(/\.tsx?$/, ".mjs")}`);
const { status } = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=dot", ...files],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
