import { useHistory } from "@docusaurus/router";
import { useColorMode } from "@docusaurus/theme-common";
import useBaseUrl from "@docusaurus/useBaseUrl";
import { useEffect, useRef, useState } from "react";
import type { MouseEvent, ReactNode } from "react";

import { loadElement, type ChatElement } from "./element";
import { liveOrRecorded, type Source } from "./source";
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

/** Shown before anything was asked: until then nothing is sent. */
const UNASKED = "Ask something: it answers from these docs.";
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
      if (gone) return;
      define();
      const fetch = liveOrRecorded({
        live: visitorFetch({ namespace: NAMESPACE }),
        recording: `${base}demo/turns.json`,
        onSource: (source) => setNote(NOTES[source]),
      });
      setNote(UNASKED);
      setChat({ element: document.createElement("docs-chatkit") as ChatElement, fetch });
    };
    // Readers who never come to it load nothing of it.
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        observer.disconnect();
        start().catch((error: unknown) => {
          console.error(error);
          setNote("The chat could not be loaded.");
        });
      },
      { rootMargin: "200px" },
    );
    if (place.current) observer.observe(place.current);
    return () => {
      gone = true;
      observer.disconnect();
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
