import { spawnSync } from "node:child_process";

/** Writes the declarations of the workspace it is started in to `dist`. */
export function buildTypes() {
  const tsc = new URL("../node_modules/typescript/bin/tsc", import.meta.url).pathname;
  const args = [tsc, "-p", "tsconfig.build.json"];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
