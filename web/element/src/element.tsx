/** The custom element: options in, events out, one paint per frame. */

import { Chat, type ChatClient, type Message } from "@docs-chatkit/core";
import type { ChatKitEvents, EventHandler, OpenAIChatKit } from "@openai/chatkit";
import { render } from "preact";

import { announcementOf } from "./announcement.js";
import { App } from "./app.js";
import { parseColor } from "./color.js";
import { makeHost } from "./host.js";
import type { MarkdownRules } from "./markdown.js";
import { messageOf, type SendParams } from "./message.js";
import type { DocsChatKitOptions } from "./options.js";
import { Outbox } from "./outbox.js";
import { makeRules } from "./rules.js";
import { clientOf } from "./server.js";
import { speak, strings } from "./strings.js";
import css from "./styles.css";
import { Surroundings } from "./surroundings.js";
import { themeProperties } from "./theme.js";

// On a server there are no elements, and importing this must still work.
const Base =
  (globalThis as { HTMLElement?: typeof HTMLElement }).HTMLElement ??
  (Object as unknown as typeof HTMLElement);

/** How long the start waits for a page that listens for `chatkit.ready`. */
const PATIENCE_MS = 250;

/** How long a page may stay empty for want of its language. */
const LANGUAGE_PATIENCE_MS = 1000;

type ComposerParams = Parameters<OpenAIChatKit["setComposerValue"]>[0];

let sheet: CSSStyleSheet | undefined;

export class DocsChatKit extends Base implements OpenAIChatKit {
  #options: DocsChatKitOptions | null = null;
  #client: ChatClient | null = null;
  #rules: MarkdownRules | null = null;
  #theme: Record<string, string> = {};
  #announcement = "";
  /** Not yet painted: a reader would see another language first. */
  #silent = true;
  #listening = false;
  #booted = false;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  #afterPaint: (() => void)[] = [];
  #markReady!: () => void;
  readonly #ready = new Promise<void>((resolve) => {
    this.#markReady = resolve;
  });
  readonly #root = this.attachShadow({ mode: "open" });
  readonly #chat = new Chat({
    client: () => this.#requireClient(),
    changed: () => {
      this.#paint();
    },
    emit: (name, detail) => {
      this.#announce(name);
      this.#dispatch(`chatkit.${name}`, detail);
    },
    giveBack: (message) => {
      this.#outbox.giveBack(message);
    },
    runTool: (call) => this.#options?.onClientTool?.(call) ?? {},
    // Without it the page that has asked runs its tool all the same.
    claim: (callId) => import("./claim.js").then(({ claim }) => claim(callId)).catch(() => null),
    online: () => this.#surroundings.online(),
    pause: (seconds, signal) => this.#surroundings.pause(seconds, signal),
    tell: (threadId) => {
      this.#surroundings.tell(threadId);
    },
  });
  readonly #surroundings = new Surroundings({
    heard: (threadId) => {
      this.#chat.heard(threadId);
    },
    wake: () => {
      this.#chat.wake();
    },
  });
  readonly #outbox = new Outbox({
    options: () => this.#options,
    client: () => this.#requireClient(),
    send: (message) => this.#send(message),
    stop: () => {
      this.#chat.stop();
    },
    changed: () => {
      this.#paint();
    },
    toolChanged: (toolId) => {
      this.#dispatch("chatkit.tool.change", { toolId });
    },
    failed: (error) => {
      this.#fail(error);
    },
  });

  readonly #host = makeHost(
    this.#chat,
    () => this.#options,
    (error) => {
      this.#fail(error);
    },
  );

  constructor() {
    super();
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    // Not a <style>: a page's content security policy may forbid those.
    this.#root.adoptedStyleSheets = [sheet];
    for (const type of ["keydown", "keypress", "keyup"]) {
      this.#root.addEventListener(type, keepShortcutsIn);
    }
  }

  connectedCallback(): void {
    this.#surroundings.open();
    if (!this.#options) return;
    this.#applyTheme();
    this.#paint();
    this.#scheduleBoot();
    // Back on a page that had put it aside: what was being written may go on, or be there by now.
    if (this.#booted) this.#chat.wake();
  }

  disconnectedCallback(): void {
    // An element that is only moved is back by then.
    queueMicrotask(() => {
      if (this.isConnected) return;
      clearTimeout(this.#patience);
      this.#surroundings.close();
      this.#chat.close();
    });
  }

  setOptions(options: DocsChatKitOptions): void {
    this.#options = options;
    this.#rules = null;
    this.#client = clientOf(options);
    this.setAttribute("role", "region");
    this.#speak(options);
    if (!this.isConnected) return;
    this.#applyTheme();
    this.#paint();
    this.#scheduleBoot();
  }

  #speak({ locale, frameTitle }: DocsChatKitOptions): void {
    const show = () => {
      this.#silent = false;
      this.setAttribute("aria-label", frameTitle ?? strings.chat);
      if (this.isConnected) this.#paint();
    };
    const tag = locale ?? (document.documentElement.lang || navigator.language);
    const loaded = speak(tag).catch((error: unknown) => {
      this.#dispatch("chatkit.log", { name: "language.failed", data: { tag, error } });
    });
    void Promise.race([loaded, wait(LANGUAGE_PATIENCE_MS)]).then(show);
    // Late is better than in the wrong language.
    void loaded.then(show);
  }

  focusComposer(): Promise<void> {
    return this.#focusAfter(this.#ready);
  }

  async setThreadId(threadId: string | null): Promise<void> {
    await this.#ready;
    this.#chat.closeHistory();
    await this.#chat.open(threadId);
  }

  async sendUserMessage(params: SendParams): Promise<void> {
    await this.#send(messageOf(params), params.newThread);
  }

  async setComposerValue(params: ComposerParams): Promise<void> {
    await this.#ready;
    await this.#outbox.set(params);
    await this.#painted();
  }

  async sendCustomAction(
    action: { type: string; payload?: Record<string, unknown> },
    itemId?: string,
  ): Promise<void> {
    await this.#ready;
    await this.#chat.customAction(action, itemId);
  }

  async fetchUpdates(): Promise<void> {
    await this.#ready;
    await this.#chat.fetchUpdates();
  }

  async showHistory(): Promise<void> {
    await this.#ready;
    await this.#chat.openHistory();
  }

  async hideHistory(): Promise<void> {
    await this.#ready;
    this.#chat.closeHistory();
  }

  override addEventListener<K extends keyof ChatKitEvents>(
    type: K,
    listener: EventHandler<K>,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    if (listener) super.addEventListener(type, listener, options);
    if (type !== "chatkit.ready" || this.#listening) return;
    this.#listening = true;
    if (this.#patience !== undefined) this.#bootSoon();
  }

  /** React sets options first and listens later: an event before that would be lost. */
  #scheduleBoot(): void {
    if (this.#booted) return;
    if (this.#listening) this.#bootSoon();
    else this.#patience ??= setTimeout(() => this.#boot(), PATIENCE_MS);
  }

  #bootSoon(): void {
    // The listeners of the other events are added in the same breath.
    queueMicrotask(() => {
      this.#boot();
    });
  }

  #boot(): void {
    clearTimeout(this.#patience);
    if (this.#booted || !this.isConnected || !this.#options) return;
    this.#booted = true;
    this.#dispatch("chatkit.ready");
    if (!this.#client) {
      this.#dispatch("chatkit.error", { error: new Error(strings.hostedApi) });
    } else if (this.#options.initialThread) {
      void this.#chat.open(this.#options.initialThread, { initial: true });
    }
    this.#markReady();
    this.#paint();
  }

  #requireClient(): ChatClient {
    if (!this.#client) throw new Error(strings.hostedApi);
    return this.#client;
  }

  #paint(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#silent) return;
      this.#render();
      for (const callback of this.#afterPaint.splice(0)) callback();
    });
  }

  #painted(): Promise<void> {
    this.#paint();
    return new Promise((resolve) => this.#afterPaint.push(resolve));
  }

  #render(): void {
    const options = this.#options;
    if (!options) return;
    render(
      <App
        chat={this.#chat}
        options={options}
        outbox={this.#outbox}
        rules={this.#currentRules(options)}
        theme={this.#theme}
        host={this.#host}
        announcement={this.#announcement}
        loading={!this.#booted && Boolean(options.initialThread)}
        onPrompt={(prompt) => {
          const params = typeof prompt === "string" ? { text: prompt } : { content: prompt };
          this.#run(this.#send({ ...messageOf(params), ...this.#outbox.choices() }));
        }}
        onNew={() => {
          this.#run(this.#focusAfter(this.setThreadId(null)));
        }}
        onHistory={() => {
          this.#toggleHistory();
        }}
        onOpen={(threadId) => {
          this.#run(this.#focusAfter(this.setThreadId(threadId)));
        }}
      />,
      this.#root,
    );
  }

  /** Meanwhile the reader may have gone on to somewhere else, and is left there. */
  async #focusAfter(work: Promise<void>): Promise<void> {
    const before = this.#focused();
    await work;
    await this.#painted();
    const now = this.#focused();
    if (now === null || now === before) this.#root.querySelector("textarea")?.focus();
  }

  /** What has the focus, in the chat or in the page around it. */
  #focused(): Element | null {
    const { activeElement, body } = document;
    return this.#root.activeElement ?? (activeElement === body ? null : activeElement);
  }

  #currentRules(options: DocsChatKitOptions): MarkdownRules {
    const imageDomains = this.#chat.state.thread.thread?.allowed_image_domains ?? [];
    const known = this.#rules;
    if (!known || String(known.imageDomains) !== String(imageDomains)) {
      this.#rules = makeRules(options, {
        imageDomains,
        onDeeplink: (link) => {
          this.#dispatch("chatkit.deeplink", link);
        },
        preview: (mark, entity, request) => {
          const part = { host: this.#host, theme: this.#theme, rules: this.#currentRules(options) };
          this.#run(
            import("./entity-preview.js").then(({ showEntity }) =>
              showEntity(mark, request(entity), part),
            ),
          );
        },
      });
    }
    return this.#rules as MarkdownRules;
  }

  #applyTheme(): void {
    const probe = document.createElement("span");
    this.#root.append(probe);
    this.#theme = themeProperties(this.#options?.theme, (color) => {
      probe.style.color = "";
      probe.style.color = color;
      // As sRGB: what is written in oklch() is computed as that, too.
      probe.style.color = `color-mix(in srgb, ${color}, ${color})`;
      return probe.style.color === "" ? null : parseColor(getComputedStyle(probe).color);
    });
    probe.remove();
  }

  async #send(message: Message, newThread = false): Promise<void> {
    await this.#ready;
    this.#chat.closeHistory();
    await this.#chat.send(message, { newThread });
  }

  #toggleHistory(): void {
    if (!this.#chat.history.state.open) {
      this.#run(this.showHistory());
      return;
    }
    this.#chat.closeHistory();
    this.#run(this.focusComposer());
  }

  #announce(name: string): void {
    const announcement = announcementOf(name, this.#chat.state);
    if (announcement === null) return;
    this.#announcement = announcement;
    this.#paint();
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#fail(error);
    });
  }

  #fail(error: unknown): void {
    const { message } = error as Error;
    this.#dispatch("chatkit.error", { error: new Error(message, { cause: error }) });
  }

  #dispatch(name: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** "/" and Ctrl+K are shortcuts of the page's search, which sees only the host as target. */
function keepShortcutsIn(event: Event): void {
  // A browser that fills a field in sends an event without a key.
  const { key = "", ctrlKey, metaKey } = event as Partial<KeyboardEvent>;
  const isText = key.length === 1 && !ctrlKey && !metaKey;
  if (isText || ((ctrlKey || metaKey) && key.toLowerCase() === "k")) event.stopPropagation();
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
