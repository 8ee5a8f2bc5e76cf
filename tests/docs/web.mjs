// Reads blocks of JavaScript, TypeScript and CSS from standard input, and prints what is wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const require = createRequire(`${process.cwd()}/package.json`);
const ts = require("typescript");
const postcss = require("postcss");

function errors(text, tsx) {
  const { diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    fileName: tsx ? "block.tsx" : "block.ts",
    compilerOptions: { target: "esnext", module: "esnext", jsx: "preserve" },
  });
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

/** A whole file, an object, or some properties of one. */
function readings(text) {
  return [text, `(${text})`, `({${text}})`];
}

/** The plugin's options in a piece of configuration, checked as a build checks them. */
async function optionErrors(text) {
  const found = /^\s*plugins:/.test(text) ? text : undefined;
  if (!found) return [];
  const config = vm.runInNewContext(`({${found}})`);
  const { validateOptions } = await import(
    require.resolve("docusaurus-plugin-chatkit", { paths: [process.cwd()] })
  ).then((module) => module.default?.validateOptions ? module.default : module);
  const { Joi } = require("@docusaurus/utils-validation");
  for (const plugin of config.plugins) {
    if (!Array.isArray(plugin) || plugin[0] !== "docusaurus-plugin-chatkit") continue;
    const validate = (schema, options) => Joi.attempt(options, schema);
    try {
      validateOptions({ options: { ...plugin[1] }, validate });
    } catch (error) {
      return [error.message];
    }
  }
  return [];
}

const problems = [];
for (const { place, language, text } of JSON.parse(readFileSync(0, "utf8"))) {
  if (language === "css") {
    try {
      postcss.parse(text);
    } catch (error) {
      problems.push(`${place}: ${error.message}`);
    }
    continue;
  }
  const all = readings(text).map((reading) => errors(reading, /x$/.test(language)));
  if (!all.some((found) => found.length === 0)) problems.push(`${place}: ${all[0].join("; ")}`);
  else if (language !== "tsx")
    for (const error of await optionErrors(text)) problems.push(`${place}: ${error}`);
}
console.log(JSON.stringify(problems));
