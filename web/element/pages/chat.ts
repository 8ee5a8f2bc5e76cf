/** The chat alone on a page, with its thread kept and the colours that the system has. */

import { type DocsChatKit, storedThread, visitorFetch } from "../src/standalone.js";

const chat = document.getElementById("chat") as DocsChatKit;
const dark = matchMedia("(prefers-color-scheme: dark)");
const thread = storedThread();
const fetch = visitorFetch();
const initialThread = thread.read();

chat.addEventListener("chatkit.thread.change", ({ detail }) => {
  thread.write(detail.threadId);
});

function applyOptions(): void {
  chat.setOptions({
    // The interface asks for a key; only OpenAI's own UI checks it.
    api: { url: new URL("chatkit", location.href).href, domainKey: "self-hosted", fetch },
    theme: { colorScheme: dark.matches ? "dark" : "light" },
    initialThread,
    startScreen: { greeting: "Ask the docs" },
    composer: { placeholder: "Ask a question" },
  });
}

dark.addEventListener("change", applyOptions);
applyOptions();
void chat.focusComposer();
