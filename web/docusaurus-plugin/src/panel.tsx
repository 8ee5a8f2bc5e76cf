// Loaded when the chat is first opened.
import { createRoot, type Root } from "react-dom/client";

import { browserStorage } from "@docs-chatkit/core";
import chat from "@generated/docusaurus-plugin-chatkit/default/chat.json";
import type { OpenAIChatKit } from "@openai/chatkit";

import { takeRequest } from "./address";
import { Chat } from "./chat";
import type { BubbleOptions } from "./index";
import { followLink, hideOrigin } from "./links";
import { isComposing, keepAboveKeyboard } from "./page";
import { resizeCorner } from "./resize";
import { panelStyles, SMALL_SCREEN } from "./styles";

const CLOSE = "M6 6l12 12M18 6L6 18";

/** What `chatkit:ask` may bring. */
export interface Question {
  question?: string;
  /** A passage that the question is about. */
  quote?: string;
  /** Whether the question is sent at once; otherwise it is written for the reader to send. */
  send?: boolean;
}

let panel: Panel | undefined;

/** The panel of a bubble, made when it is first asked for. */
export function panelOf(bubble: HTMLButtonElement, options: BubbleOptions): Panel {
  if (panel?.bubble !== bubble) panel = new Panel(bubble, options);
  return panel;
}

export class Panel {
  shown = false;
  readonly bubble: HTMLButtonElement;
  readonly #icon: SVGPathElement | null;
  readonly #chatIcon: string;
  // A section, so that the chat's header is not taken for the banner of the page.
  readonly #host = document.createElement("section");
  readonly #small = matchMedia(SMALL_SCREEN);
  readonly #root: Root;
  readonly #chat: Promise<OpenAIChatKit>;
  #element: OpenAIChatKit | undefined;
  /** Where the focus goes when the chat is closed. */
  #opener: HTMLElement;
  /** Where the last link in the chat led to. */
  #followed = "";

  constructor(bubble: HTMLButtonElement, options: BubbleOptions) {
    this.bubble = this.#opener = bubble;
    this.#icon = bubble.querySelector("path");
    this.#chatIcon = this.#icon?.getAttribute("d") ?? "";

    const host = this.#host;
    host.id = "chatkit-panel";
    host.className = options.position === "bottom-left" ? "chatkit-left" : "";
    host.style.cssText = options.style ?? "";
    host.role = "dialog";
    host.ariaLabel = options.title;
    host.tabIndex = -1;
    host.inert = true;
    host.addEventListener("click", (event) => {
      if (!followLink(event)) return;
      this.#followed = location.href;
      // On a small screen the panel covers the page that was just opened.
      if (this.#small.matches) this.close();
    });
    // A link that is opened in another tab tells nobody that it was on this site.
    for (const type of ["click", "auxclick", "contextmenu"] as const) {
      host.addEventListener(type, hideOrigin);
    }
    // Keys typed into the chat belong to it: the site's search listens for "/" and Ctrl+K, and sees
    // only the host, not the text field in its shadow root.
    for (const type of ["keydown", "keypress", "keyup"] as const) {
      host.addEventListener(type, (event) => {
        event.stopPropagation();
        if (type === "keydown" && event.key === "Escape" && !isComposing(event)) {
          // The chat itself uses Escape to leave what it has open, such as its history.
          if (!event.defaultPrevented) this.close();
        }
      });
    }
    this.#small.addEventListener("change", () => {
      this.#coverPage();
    });
    keepAboveKeyboard(host, () => this.shown && this.#small.matches);
    adoptStyles();
    bubble.after(host);
    bubble.setAttribute("aria-controls", host.id);

    const place = document.createElement("div");
    place.className = "chatkit-root";
    const corner = resizeCorner(host, {
      label: chat.resize,
      storage: browserStorage(),
      key: `${options.namespace}:size`,
    });
    host.append(place, corner);
    this.#root = createRoot(place);
    this.#chat = new Promise((resolve) => {
      this.#root.render(
        <Chat
          namespace={options.namespace}
          failed={options.failed}
          onReady={(element) => {
            this.#element = element;
            resolve(element);
            this.#focusAgain();
          }}
          onClose={() => {
            this.close();
          }}
        />,
      );
    });
  }

  toggle(): void {
    if (this.shown) this.close();
    else this.open();
  }

  open(): void {
    if (!this.shown) {
      const focused = document.activeElement;
      const isPlace = focused instanceof HTMLElement && focused !== document.body;
      this.#opener = isPlace ? focused : this.bubble;
      this.#show(true);
    }
    this.#focus();
  }

  close(): void {
    if (!this.shown) return;
    this.#show(false);
    this.#opener.focus();
    // The page may have changed under the chat.
    if (document.activeElement !== this.#opener) this.bubble.focus();
  }

  /** Ends the chat, for a reader who no longer consents to it. */
  remove(): void {
    this.#show(false);
    this.#root.unmount();
    this.#host.remove();
  }

  /** Opens the chat and asks, or prepares to ask. */
  ask(detail: unknown): void {
    const { question, quote, send = true } = asQuestion(detail);
    this.open();
    this.#chat
      .then(async (element) => {
        const message = { ...(question && { text: question }), ...(quote && { reply: quote }) };
        if (question && send) {
          // An answer may be on its way: then the question waits in the text field.
          await element.sendUserMessage(message).catch(() => element.setComposerValue(message));
        } else if (question || quote) {
          await element.setComposerValue(message);
          this.#focusAgain();
        }
      })
      .catch(console.error);
  }

  openByAddress(previous: Location | null): void {
    // What a model writes is not the reader's: a link of an answer may ask nothing by itself.
    const isAnswers = location.href === this.#followed;
    const request = takeRequest(previous);
    if (request) this.ask({ question: request.question, send: request.trusted && !isAnswers });
  }

  #show(shown: boolean): void {
    this.shown = shown;
    // Hidden, never removed: an answer goes on being written while the panel is closed.
    this.#host.inert = !shown;
    this.bubble.ariaExpanded = String(shown);
    this.#icon?.setAttribute("d", shown ? CLOSE : this.#chatIcon);
    this.#coverPage();
  }

  /** What lies under a panel that fills the screen can be neither seen nor reached. */
  #coverPage(): void {
    const covers = this.shown && this.#small.matches;
    const page = document.getElementById("__docusaurus");
    if (page) page.inert = covers;
    this.#host.ariaModal = covers ? "true" : null;
  }

  #focus(): void {
    if (!this.shown) return;
    // A touch screen would answer with its keyboard, over half of the chat.
    if (this.#element && matchMedia("(pointer: fine)").matches) {
      this.#element.focusComposer().catch(console.error);
    } else {
      this.#host.focus();
    }
  }

  /** Unless the reader has gone on to something else while the chat was loading. */
  #focusAgain(): void {
    const { activeElement, body } = document;
    if (activeElement === body || this.#host.contains(activeElement)) this.#focus();
  }
}

let styled = false;

function adoptStyles(): void {
  if (!styled) document.adoptedStyleSheets.push(panelStyles());
  styled = true;
}

function asQuestion(detail: unknown): Question {
  if (typeof detail === "string") return { question: detail };
  const { question, quote, send } = (detail ?? {}) as Record<string, unknown>;
  return {
    ...(typeof question === "string" && { question: question.trim() }),
    ...(typeof quote === "string" && { quote: quote.trim() }),
    send: send !== false,
  };
}
