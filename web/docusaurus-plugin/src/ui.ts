import { useCallback, useEffect, useRef, useState } from "react";

import { loadOfficial, READY_MS } from "./official";
import { defineOwn } from "./own";

export type Ui = "loading" | "openai" | "own" | "failed";

interface ChosenUi {
  ui: Ui;
  /** To be called when the chat that was chosen says that it is ready, or that it failed. */
  onReady: () => void;
  onError: (error: unknown) => void;
  /** After neither could be loaded. */
  tryAgain: () => void;
}

/**
 * Which chat to render. Where OpenAI's does not load or never gets ready, it is ours, with the same
 * options; and from then on at once, as long as the tab is open.
 */
export function useUi({ official, key }: { official: boolean; key: string }): ChosenUi {
  const [ui, setUi] = useState<Ui>("loading");
  const ready = useRef(false);
  const chosen = useRef(false);
  const mounted = useRef(false);

  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);

  const chooseOwn = useCallback(
    (reason?: unknown) => {
      // The reader has taken their consent back: nothing more is loaded or stored.
      if (!mounted.current) return;
      if (reason !== undefined) {
        console.warn("OpenAI's chat is not available; the site's own opens instead.", reason);
        remember(key);
      }
      setUi("loading");
      defineOwn().then(
        () => {
          setUi("own");
        },
        (error: unknown) => {
          console.error(error);
          setUi("failed");
        },
      );
    },
    [key],
  );

  useEffect(() => {
    // React's strict mode runs effects twice.
    if (chosen.current) return;
    chosen.current = true;
    if (!official || isRemembered(key)) chooseOwn();
    else {
      loadOfficial(() => mounted.current).then(() => {
        setUi("openai");
      }, chooseOwn);
    }
  }, [official, key, chooseOwn]);

  useEffect(() => {
    if (ui !== "openai") return undefined;
    const timer = setTimeout(() => {
      if (!ready.current) chooseOwn(new Error(`It was not ready after ${READY_MS} ms.`));
    }, READY_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [ui, chooseOwn]);

  return {
    ui,
    onReady: () => {
      ready.current = true;
    },
    onError: (error) => {
      if (ui === "openai" && !ready.current) chooseOwn(error ?? "It failed.");
    },
    tryAgain: () => {
      chooseOwn();
    },
  };
}

function remember(key: string): void {
  try {
    sessionStorage.setItem(key, "own");
  } catch {
    // Where storage is blocked, the next page tries again.
  }
}

function isRemembered(key: string): boolean {
  try {
    return sessionStorage.getItem(key) === "own";
  } catch {
    return false;
  }
}
