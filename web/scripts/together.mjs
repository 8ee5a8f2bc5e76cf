import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/**
 * Keeps what every chat loads in one file. A bundler makes a file of each set of modules that the same
 * parts use, and small files compress badly; so that all parts use all of it, each imports the entry.
 */
export function together(entry) {
  const address = resolve(entry);
  const later = new Set();
  for (const name of readdirSync(dirname(address), { recursive: true })) {
    if (!/\.tsx?$/.test(name)) continue;
    const file = join(dirname(address), name);
    for (const [, path] of readFileSync(file, "utf8").matchAll(/\bimport\("(\.[^"]+)\.js"\)/g)) {
      later.add(resolve(dirname(file), path));
    }
  }
  return {
    name: "together",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^together$/ }, () => ({ path: address }));
      onLoad({ filter: /\.tsx?$/ }, ({ path }) => {
        if (!later.has(path.replace(/\.tsx?$/, ""))) return;
        const loader = path.endsWith("x") ? "tsx" : "ts";
        return { contents: `import "together";\n${readFileSync(path, "utf8")}`, loader };
      });
    },
  };
}
