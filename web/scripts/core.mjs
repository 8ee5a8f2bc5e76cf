/** Builds web/core as one ES module with its types. */

import { rmSync } from "node:fs";

import { build } from "esbuild";

import { buildTypes } from "./types.mjs";

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: { index: "src/index.ts" },
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  logLevel: "warning",
});
buildTypes();
