// Puts the built chat beside the site's pages: the landing page shows it also where the site is
// served by a host that has no chat server behind it.
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../../chatkit_server/static", import.meta.url));
const target = fileURLToPath(new URL("../.generated/chat-element", import.meta.url));

if (!existsSync(`${source}/chatkit-element.js`)) {
  console.error(`${source} has no chat; run "npm ci && npm run build" in web/ first`);
  process.exit(1);
}
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const name of ["chatkit-element.js", "assets"]) {
  if (existsSync(`${source}/${name}`)) cpSync(`${source}/${name}`, `${target}/${name}`, { recursive: true });
}
