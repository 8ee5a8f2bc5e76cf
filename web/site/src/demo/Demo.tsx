import { useHistory } from "@docusaurus/router";
import { useColorMode } from "@docusaurus/theme-common";
import useBaseUrl from "@docusaurus/useBaseUrl";
import { useEffect, useRef, useState } from "react";
import type { MouseEvent, ReactNode } from "react";

import { loadElement, type ChatElement } from "./element";
import { replay } from "./replay";
import styles from "./styles.module.css";

const PROMPTS = [
  "How do I connect it to Neon?",
  "Does it work without an OpenAI key?",
  "Who can read a visitor's threads?",
];
const THEMES = {
  light: {
    accent: { primary: "#0f766e", level: 1 },
    surface: { background: "#ffffff", foreground: "#1c1e21" },
  },
  dark: {
    accent: { primary: "#2dd4bf", level: 1 },
    surface: { background: "#151e1d", foreground: "#e3e9e8" },
  },
};
const NAMESPACE = "docs-chatkit-demo";

type Source = "live" | "recorded";

const NOTES: Record<Source, string> = {
  live: "Live: the server behind this page answers from these docs.",
  recorded: "Recorded: no server is behind this copy of the site. In a clone, make run starts one.",
};

/** The chat itself, which answers from these docs where the server is there, or from a recording. */
export function Demo(): ReactNode {
  const base = useBaseUrl("/");
  const { colorMode } = useColorMode();
  const history = useHistory();
  const place = useRef<HTMLDivElement>(null);
  const [chat, setChat] = useState<{ element: ChatElement; fetch: typeof fetch }>();
  const [note, setNote] = useState<string>();

  useEffect(() => {
    let gone = false;
    const start = async (): Promise<void> => {
      const { define, visitorFetch } = await loadElement(base);
      define();
      const visitor = visitorFetch({ namespace: NAMESPACE });
      const source: Source = (await answers(visitor)) ? "live" : "recorded";
      const fetch = source === "live" ? visitor : replay(await readTurns(base));
      if (gone) return;
      setNote(NOTES[source]);
      setChat({ element: document.createElement("docs-chatkit") as ChatElement, fetch });
    };
    start().catch((error: unknown) => {
      console.error(error);
      setNote("The chat could not be loaded.");
    });
    return () => {
      gone = true;
    };
  }, [base]);

  useEffect(() => {
    if (!chat) return;
    place.current?.replaceChildren(chat.element);
    chat.element.setOptions({
      api: {
        url: new URL("/chatkit", location.href).href,
        // The interface asks for a key; only OpenAI's own UI checks it.
        domainKey: "self-hosted",
        fetch: chat.fetch,
      },
      theme: { colorScheme: colorMode, radius: "round", color: THEMES[colorMode] },
      frameTitle: "Try the chat",
      header: { title: { text: "Ask these docs" } },
      history: { enabled: false },
      startScreen: {
        greeting: "Ask these docs",
        prompts: PROMPTS.map((prompt) => ({ label: prompt, prompt })),
      },
      // An answer is read from its beginning.
      thread: { autoScroll: false },
      composer: { placeholder: "Ask about chatkit-server" },
    });
  }, [chat, colorMode]);

  const follow = (event: MouseEvent): void => {
    const link = event.nativeEvent.composedPath().find((node) => node instanceof HTMLAnchorElement);
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!link || !plain || link.origin !== location.origin || link.target === "_blank") return;
    event.preventDefault();
    // Without the words that are cited, which only a browser that loads the page looks for.
    history.push(link.pathname + link.search + link.hash.split(":~:")[0]);
  };

  return (
    <figure className={styles.demo}>
      {/* The clicks are those of links in it. */}
      <div ref={place} className={styles.chat} onClick={follow} />
      <figcaption className={styles.note}>{note ?? "The chat is loading."}</figcaption>
    </figure>
  );
}

/** Whether a chat server is there: a host of plain files has an error or a page at its address. */
async function answers(visitor: typeof fetch): Promise<boolean> {
  try {
    const response = await visitor("/chatkit", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type: "threads.list", params: { limit: 1, order: "desc" } }),
    });
    return response.ok && (response.headers.get("Content-Type") ?? "").includes("json");
  } catch {
    return false;
  }
}

async function readTurns(base: string): Promise<Parameters<typeof replay>[0]> {
  return (await fetch(`${base}demo/turns.json`)).json() as Promise<Parameters<typeof replay>[0]>;
}
