// Loaded by the first click on the bubble.
import { createRoot } from "react-dom/client";

import { define } from "@docs-chatkit/element";
import type { OpenAIChatKit } from "@openai/chatkit";

import { Chat } from "./chat";
import type { PageOptions } from "./index";
import { followLink } from "./links";
import { panelStyles, SMALL_SCREEN } from "./styles";

const CLOSE = "M6 6l12 12M18 6L6 18";

let panel: Panel | undefined;

export function toggle(bubble: HTMLButtonElement, options: PageOptions): void {
  panel ??= new Panel(bubble, options);
  panel.show(!panel.shown);
}

class Panel {
  shown = false;
  readonly #bubble: HTMLButtonElement;
  readonly #icon: SVGPathElement | null;
  readonly #chatIcon: string;
  // A section, so that the chat's header is not taken for the banner of the page.
  readonly #host = document.createElement("section");

  constructor(bubble: HTMLButtonElement, options: PageOptions) {
    this.#bubble = bubble;
    this.#icon = bubble.querySelector("path");
    this.#chatIcon = this.#icon?.getAttribute("d") ?? "";

    const host = this.#host;
    host.id = "chatkit-panel";
    host.className = options.position === "bottom-left" ? "chatkit-left" : "";
    host.role = "dialog";
    host.ariaLabel = options.title;
    host.tabIndex = -1;
    host.inert = true;
    host.addEventListener("click", (event) => {
      // On a small screen the panel covers the page that was just opened.
      if (followLink(event) && matchMedia(SMALL_SCREEN).matches) this.show(false);
    });
    // Keys typed into the chat belong to it: the site's search listens for "/" and Ctrl+K, and sees
    // only the host, not the text field in its shadow root.
    for (const type of ["keydown", "keypress", "keyup"] as const) {
      host.addEventListener(type, (event) => {
        event.stopPropagation();
        if (type === "keydown" && event.key === "Escape" && !event.isComposing) {
          // The chat itself uses Escape to leave what it has open, such as its history.
          if (!event.defaultPrevented) this.show(false);
        }
      });
    }
    document.adoptedStyleSheets.push(panelStyles());
    bubble.after(host);
    bubble.setAttribute("aria-controls", host.id);

    // Before <ChatKit> is rendered: it calls the element's methods at once.
    if (!customElements.get("openai-chatkit")) define("openai-chatkit");
    createRoot(host).render(
      <Chat
        options={options}
        onReady={() => {
          this.#focus();
        }}
        onClose={() => {
          this.show(false);
        }}
      />,
    );
  }

  show(shown: boolean): void {
    this.shown = shown;
    // Hidden, never removed: an answer goes on being written while the panel is closed.
    this.#host.inert = !shown;
    this.#bubble.ariaExpanded = String(shown);
    this.#icon?.setAttribute("d", shown ? CLOSE : this.#chatIcon);
    if (shown) this.#focus();
    else this.#bubble.focus();
  }

  #focus(): void {
    if (!this.shown) return;
    const chat = this.#host.querySelector<OpenAIChatKit>("openai-chatkit");
    // A touch screen would answer with its keyboard, over half of the chat.
    if (chat && matchMedia("(pointer: fine)").matches) {
      chat.focusComposer().catch(console.error);
    } else {
      this.#host.focus();
    }
  }
}
