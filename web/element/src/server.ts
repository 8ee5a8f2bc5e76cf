/** The server that the page's options name. */

import { ChatClient } from "@docs-chatkit/core";
import type { CustomApiConfig } from "@openai/chatkit";

import type { DocsChatKitOptions } from "./options.js";

/** Null for the API that OpenAI hosts, which only its own UI speaks. */
export function clientOf({ api, resume }: DocsChatKitOptions): ChatClient | null {
  if (!isCustomApi(api)) return null;
  const { origin } = new URL(api.url, document.baseURI);
  return new ChatClient({
    ...api,
    resume: resume ?? origin === location.origin,
    unreached: (address) => {
      void import("./hints.js").then(({ hintAtServer }) => hintAtServer(address), console.error);
    },
  });
}

function isCustomApi(api: DocsChatKitOptions["api"]): api is CustomApiConfig {
  return "url" in api;
}
