// What the bubble adds to each page before the click: the site is built with and without the
// plugin, and the scripts and styles that a docs page names are compressed and compared.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 1536;
const folder = mkdtempSync(join(tmpdir(), "bubble-"));

function initialBytes(name, environment) {
  const out = join(folder, name);
  execFileSync("npx", ["docusaurus", "build", "--out-dir", out], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const page = readFileSync(join(out, "docs/getting-started/index.html"), "utf8");
  const files = new Set(page.match(/\/assets\/(?:js|css)\/[\w.~-]+\.(?:js|css)/g));
  return [...files].reduce(
    (sum, file) => sum + gzipSync(readFileSync(join(out, file)), { level: 9 }).length,
    0,
  );
}

try {
  const without = initialBytes("without", { WITHOUT_CHAT: "1" });
  const with_ = initialBytes("with", { WITHOUT_CHAT: "" });
  const added = with_ - without;
  const ratio = ((added / without) * 100).toFixed(2);
  console.log(
    `bubble on each page before the click, gzipped: ${added} bytes ` +
      `(+${ratio} % of ${without})   under ${LIMIT} bytes`,
  );
  process.exitCode = added < LIMIT ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
