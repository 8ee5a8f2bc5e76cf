// Puts the packed plugin into node_modules, as a user's `npm install` would.
//
// It is not a dependency in package.json because npm would then write the tarball's hash into the
// lock file: after each change of the plugin `npm ci` would stop with EINTEGRITY, and `npm install`
// would keep the old files, since the version is the same.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const site = fileURLToPath(new URL("..", import.meta.url));
const tarball = path.join(site, "../docusaurus-plugin/docusaurus-plugin-chatkit.tgz");
const target = path.join(site, "node_modules/docusaurus-plugin-chatkit");
const stamp = path.join(target, ".unpacked");

if (!existsSync(tarball)) {
  console.error(`${tarball} is missing; run "npm ci && npm run build" in web/ first`);
  process.exit(1);
}
const hash = createHash("sha256").update(readFileSync(tarball)).digest("hex");
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== hash) {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", target]);
  // Webpack takes a package in node_modules as unchanged while its version is.
  rmSync(path.join(site, "node_modules/.cache"), { recursive: true, force: true });
  writeFileSync(stamp, hash);
}
