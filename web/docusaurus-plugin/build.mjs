// Bundles the plugin with the chat, whose packages are not published, into lib/, and packs it.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const TARBALL = "docusaurus-plugin-chatkit.tgz";
const root = fileURLToPath(new URL(".", import.meta.url));
process.chdir(root);
rmSync("lib", { recursive: true, force: true });

const shared = { bundle: true, logLevel: "warning", target: "es2022", legalComments: "none" };
await build({
  ...shared,
  entryPoints: ["src/index.ts"],
  outfile: "lib/index.js",
  platform: "node",
  format: "cjs",
  packages: "external",
});

// Docusaurus bundles these again for the site: its own modules, Prism and React must stay the site's, the
// panel a chunk of its own, and so what the panel imports only when it needs it.
const browser = { ...shared, format: "esm", platform: "browser", jsx: "automatic" };
const site = [
  "@docs-chatkit/setup",
  "@docusaurus/*",
  "@generated/*",
  "prism-react-renderer",
  "react",
  "react/*",
  "react-dom",
  "react-dom/*",
];
await build({
  ...browser,
  entryPoints: ["src/client.ts"],
  outfile: "lib/client.js",
  external: [...site, "./panel", "./selection", "./bubble.css"],
});
await build({ ...browser, entryPoints: ["src/selection.ts"], outfile: "lib/selection.js" });
await build({ ...browser, entryPoints: ["src/bubble.css"], outfile: "lib/bubble.css" });
await build({ ...browser, entryPoints: ["src/no-setup.ts"], outfile: "lib/no-setup.js" });
const { metafile } = await build({
  ...browser,
  entryPoints: ["src/panel.tsx"],
  outdir: "lib",
  splitting: true,
  chunkNames: "panel-[name]-[hash]",
  // Docusaurus takes the .js files of packages with its name in theirs through Babel, whose loose classes
  // cannot be custom elements in a site that names no browsers.
  outExtension: { ".js": ".mjs" },
  external: site,
  metafile: true,
});
writeFileSync("lib/LICENSES.txt", licenses(metafile));
execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" });

const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--silent"]));
renameSync(filename, TARBALL);
const size = gzipSync(readFileSync("lib/panel.mjs"), { level: 9 }).length;
console.log(`${TARBALL}: the panel is ${(size / 1024).toFixed(1)} KB gz before it is minified`);

/** The licences of the packages inside the panel, which go where their code goes. */
function licenses({ inputs }) {
  const packages = new Set();
  for (const input of Object.keys(inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  return [...packages]
    .sort()
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      if (!file) throw new Error(`${name} is bundled and has no licence file in ${folder}`);
      return `${name} ${version}\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}
