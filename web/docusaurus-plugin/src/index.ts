import path from "node:path";

import type { LoadContext, Plugin } from "@docusaurus/types";

import type { ValidOptions } from "./options";

export { validateOptions } from "./options";
export type { Options, Prompt } from "./options";

const NAME = "docusaurus-plugin-chatkit";

/** What the pages get; whoever reads a page's source sees it. */
export interface PageOptions {
  url: string;
  title: string;
  greeting: string;
  prompts: { label: string; prompt: string }[];
  placeholder: string;
  position: ValidOptions["position"];
  /** Two sites on one host keep their chats apart when Docusaurus gives each its own namespace. */
  namespace: string;
}

/** Puts a bubble on every page, which opens a chat with the server at `options.url`. */
export default function chatkit(context: LoadContext, options: ValidOptions): Plugin {
  if (options.id !== "default") {
    throw new Error(
      `${NAME} can stand in the configuration only once; "${options.id}" is a second one`,
    );
  }
  const page: PageOptions = {
    url: options.url,
    title: options.title,
    greeting: options.greeting,
    prompts: options.prompts.map((prompt) =>
      typeof prompt === "string" ? { label: prompt, prompt } : prompt,
    ),
    placeholder: options.placeholder,
    position: options.position,
    namespace: `docs-chatkit${context.siteStorage.namespace}`,
  };
  return {
    name: NAME,
    getClientModules: () => [path.join(__dirname, "client.js")],
    contentLoaded: ({ actions }) => {
      actions.setGlobalData(page);
    },
  };
}
