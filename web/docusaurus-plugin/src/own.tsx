import { createElement, useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";

import type { OpenAIChatKit } from "@openai/chatkit";
import type { ChatKitControl } from "@openai/chatkit-react";

// The element itself is loaded only where it is needed.
const TAG = "docs-chatkit";

export async function defineOwn(): Promise<void> {
  const { define } = await import("@docs-chatkit/element");
  if (!customElements.get(TAG)) define(TAG);
}

/** What `<ChatKit>` is for OpenAI's element, for ours: it takes the same control. */
export function OwnChatKit({ control }: { control: ChatKitControl }): ReactNode {
  const { options, handlers, setInstance } = control;
  const element = useRef<OpenAIChatKit>(null);
  useLayoutEffect(() => {
    setInstance(element.current);
    return () => {
      setInstance(null);
    };
  }, [setInstance]);
  // Before it has options, and so before it says that it is ready.
  useLayoutEffect(() => {
    const controller = new AbortController();
    for (const [name, handler] of Object.entries(handlers)) {
      // onThreadChange hears chatkit.thread.change.
      const type = `chatkit${name.slice(2).replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`)}`;
      const listener = ({ detail }: CustomEventInit) => {
        (handler as (detail: unknown) => void)(detail);
      };
      element.current?.addEventListener(type, listener, { signal: controller.signal });
    }
    return () => {
      controller.abort();
    };
  }, [handlers]);
  useLayoutEffect(() => {
    element.current?.setOptions(options);
  }, [options]);
  return createElement(TAG, { ref: element });
}
