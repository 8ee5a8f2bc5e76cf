import { readFileSync } from "node:fs";

/**
 * Leaves of marked what reads Markdown. Its default instance is made when the module is loaded, so
 * that no bundler leaves out what writes HTML, a fifth of it.
 */
export const markedReader = {
  name: "marked-reader",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]marked\.esm\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const found =
        /var (\w+)=new \w+;function \w+\(\w+,\w+\)\{return \1\.parse\(.*export\{(.*)\};/s.exec(
          source,
        );
      const names = found?.[2].split(",").filter((name) => / as (Lexer|getDefaults)$/.test(name));
      if (names?.length !== 2) throw new Error(`${path} is not as scripts/marked.mjs knows it`);
      return { contents: `${source.slice(0, found.index)}export{${names.join(",")}};` };
    });
  },
};
