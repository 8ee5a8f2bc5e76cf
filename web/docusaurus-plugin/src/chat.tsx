import { useMemo, useSyncExternalStore } from "react";
import type { ReactNode } from "react";

import { storedThread, visitorFetch } from "@docs-chatkit/core";
import type { DocsChatKitOptions } from "@docs-chatkit/element";
import { ChatKit, useChatKit, type UseChatKitOptions } from "@openai/chatkit-react";

import { siteHighlight } from "./highlight";
import type { PageOptions } from "./index";
import { readPage } from "./page";
import { readTheme, watchTheme } from "./theme";

interface ChatProps {
  options: PageOptions;
  onReady: () => void;
  onClose: () => void;
}

export function Chat({ options, onReady, onClose }: ChatProps): ReactNode {
  const { url, namespace, title, greeting, prompts, placeholder } = options;
  const theme = useSyncExternalStore(watchTheme, readTheme);
  const { thread, initialThread, fetch } = useMemo(() => {
    const thread = storedThread({ namespace });
    return {
      thread,
      initialThread: thread.read(),
      fetch: visitorFetch({ namespace, page: readPage }),
    };
  }, [namespace]);

  const dark = theme.colorScheme === "dark";
  const highlight = useMemo(() => siteHighlight(dark), [dark]);
  const chatOptions: UseChatKitOptions & DocsChatKitOptions = {
    // The interface asks for a key; only OpenAI's own UI checks it.
    api: { url, domainKey: "self-hosted", fetch },
    theme,
    initialThread,
    frameTitle: title,
    header: { title: { text: title }, rightAction: { icon: "close", onClick: onClose } },
    startScreen: { greeting, prompts },
    composer: { placeholder },
    thread: { autoScroll: true },
    onReady,
    onThreadChange: ({ threadId }) => {
      thread.write(threadId);
    },
    highlight,
  };
  const { control } = useChatKit(chatOptions);
  return <ChatKit control={control} />;
}
