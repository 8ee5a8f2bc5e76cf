import { useMemo, useRef, useSyncExternalStore } from "react";
import type { ReactNode } from "react";

import { storedThread, visitorFetch } from "@docs-chatkit/core";
import type { DocsChatKitOptions } from "@docs-chatkit/element";
import setup from "@docs-chatkit/setup";
import chat from "@generated/docusaurus-plugin-chatkit/default/chat.json";
import type { OpenAIChatKit, SupportedLocale } from "@openai/chatkit";
import { ChatKit, useChatKit, type UseChatKitOptions } from "@openai/chatkit-react";

import { siteHighlight } from "./highlight";
import { OwnChatKit } from "./own";
import { readPage } from "./page";
import { readTheme, watchTheme } from "./theme";
import { useUi } from "./ui";

interface ChatProps {
  namespace: string;
  /** Said where the chat could not be loaded. */
  failed: string;
  onReady: (element: OpenAIChatKit) => void;
  onClose: () => void;
}

export function Chat({ namespace, failed, onReady, onClose }: ChatProps): ReactNode {
  const look = useSyncExternalStore(watchTheme, readTheme);
  const dark = look.colorScheme === "dark";
  const theme = useMemo(() => {
    const { baseSize, ...own } = chat.theme ?? {};
    const typography = { ...look.typography, ...(baseSize && { baseSize }) };
    return { ...look, ...own, typography };
  }, [look]);
  const highlight = useMemo(() => siteHighlight(dark), [dark]);
  const { thread, initialThread, fetch } = useMemo(() => {
    const thread = storedThread({ namespace });
    return { thread, initialThread: thread.read(), fetch: fetchOf(namespace) };
  }, [namespace]);
  const { ui, ...uiEvents } = useUi({
    official: chat.domainKey !== undefined,
    key: `${namespace}:ui`,
  });
  const updated = useRef(false);

  const options: UseChatKitOptions & DocsChatKitOptions = {
    ...setupOptions(),
    api: {
      url: chat.url,
      // The interface asks for a key; only OpenAI's own UI checks it.
      domainKey: chat.domainKey ?? "self-hosted",
      fetch,
      ...(chat.uploadStrategy && { uploadStrategy: chat.uploadStrategy }),
    },
    locale: chat.locale as SupportedLocale,
    theme,
    initialThread,
    frameTitle: chat.title,
    header: { title: { text: chat.title }, rightAction: { icon: "close", onClick: onClose } },
    startScreen: { greeting: chat.greeting, prompts: chat.prompts },
    composer: { ...chat.composer, placeholder: chat.placeholder },
    ...(chat.history && { history: chat.history }),
    ...(chat.threadItemActions && { threadItemActions: chat.threadItemActions }),
    ...(chat.disclaimer && { disclaimer: chat.disclaimer }),
    thread: { autoScroll: true },
    onReady: () => {
      uiEvents.onReady();
      if (kit.ref.current) onReady(kit.ref.current);
      setup.onReady?.();
    },
    onError: (detail) => {
      uiEvents.onError(detail.error);
      setup.onError?.(detail);
    },
    onThreadChange: (detail) => {
      thread.write(detail.threadId);
      setup.onThreadChange?.(detail);
    },
    onThreadLoadEnd: (detail) => {
      setup.onThreadLoadEnd?.(detail);
      if (ui !== "openai" || updated.current) return;
      // What had been written before the page was left may be stored only after it was asked for.
      updated.current = true;
      kit.fetchUpdates().catch(console.error);
    },
    // OpenAI's element knows the options of its interface and no other.
    ...(ui === "own" && { highlight, resume: true }),
  };
  const kit = useChatKit(options);
  if (ui === "openai") return <ChatKit control={kit.control} />;
  if (ui === "own") return <OwnChatKit control={kit.control} />;
  if (ui === "failed") {
    return (
      <p className="chatkit-failed" role="alert">
        <button
          type="button"
          onClick={({ currentTarget }) => {
            // The button goes, and the focus stays in the panel.
            currentTarget.closest("section")?.focus();
            uiEvents.tryAgain();
          }}
        >
          {failed}
        </button>
      </p>
    );
  }
  return <div className="chatkit-loading" role="status" aria-label={chat.loading} />;
}

/** The site's hooks that are options of the chat; the rest of them is for the requests. */
function setupOptions(): Partial<UseChatKitOptions> {
  const ours = ["headers", "fetch", "page"];
  return Object.fromEntries(Object.entries(setup).filter(([name]) => !ours.includes(name)));
}

/** Sends the visitor's secret and the page with every request, and what the site adds to it. */
function fetchOf(namespace: string): typeof globalThis.fetch {
  const send: typeof globalThis.fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    for (const [name, value] of new Headers(await setup.headers?.())) headers.set(name, value);
    return (setup.fetch ?? globalThis.fetch)(input, { ...init, headers });
  };
  const page = () => (setup.page ? setup.page(readPage()) : readPage());
  return visitorFetch({ namespace, page, fetch: send });
}
