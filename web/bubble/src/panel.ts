/** Loaded by the first click on the bubble: the dialog with the chat in it. */

import {
  define,
  type DocsChatKitOptions,
  storedThread,
  TAG,
  visitorFetch,
} from "../../element/src/standalone.js";

import {
  isComposing,
  keepAboveKeyboard,
  pageText,
  readDestination,
  readPage,
  showPassage,
} from "../../element/src/page/index.js";

import type { OpenAIChatKit } from "@openai/chatkit";

import { readOptions } from "./options.js";
import css from "./panel.css";
import { readScheme, type Scheme, watchScheme } from "./scheme.js";
import type { Shell, ShownPanel } from "./shell.js";

const SMALL_SCREEN = "(max-width: 640px), (max-height: 480px)";

export function createPanel(shell: Shell): ShownPanel {
  const { root, button, title, dataset, src } = shell;
  const { namespace } = dataset;
  const small = matchMedia(SMALL_SCREEN);
  const thread = storedThread({ ...(namespace && { namespace }) });
  const initialThread = thread.read();
  const dialog = document.createElement("dialog");
  let scheme: Scheme | undefined;
  let before: HTMLElement | null = null;
  // Meanwhile the reader may have gone on to something else, and is left there.
  let goneOn = ![shell.from, document.body].includes(document.activeElement);
  // What opens it later, as where a page has it loaded before, asks for the focus anew.
  setTimeout(() => {
    goneOn = false;
  });

  define();
  const element = document.createElement(TAG) as OpenAIChatKit;
  element.addEventListener("chatkit.thread.change", ({ detail }) => {
    thread.write(detail.threadId);
  });

  const configure = (): void => {
    scheme = readScheme(dataset.theme);
    dialog.style.colorScheme = scheme;
    const given = readOptions(dataset, shell.options);
    const options: DocsChatKitOptions = {
      resume: true,
      ...given,
      api: {
        // The chat is served beside its endpoint unless the page says otherwise.
        url: new URL(dataset.url ?? "../../chatkit", dataset.url ? location.href : src).href,
        // The interface asks for a key; only OpenAI's own UI checks it.
        domainKey: "self-hosted",
        ...given.api,
        fetch: visitorFetch({
          page: readPage,
          ...(namespace && { namespace }),
          ...("fetch" in given.api && given.api.fetch && { fetch: given.api.fetch }),
        }),
      },
      initialThread,
      frameTitle: title,
      header: {
        title: { text: title },
        ...given.header,
        rightAction: { icon: "close", onClick: close },
      },
      theme:
        typeof given.theme === "string"
          ? given.theme
          : {
              colorScheme: scheme,
              radius: "round",
              ...given.theme,
              typography: {
                fontFamily: getComputedStyle(document.body).fontFamily,
                ...given.theme?.typography,
              },
              color: {
                accent: { primary: getComputedStyle(button).backgroundColor, level: 1 },
                ...given.theme?.color,
              },
            },
    };
    element.setOptions(options);
  };

  function open(again = false): void {
    if (again && small.matches) return;
    if (!dialog.open) {
      before = document.activeElement as HTMLElement | null;
      // On a small screen it covers the page, which must then be out of reach; beside the page it
      // must not take the focus by itself, hence not show().
      if (small.matches) dialog.showModal();
      else dialog.open = true;
      shell.shown(true);
    }
    if (!again && !goneOn) focus();
  }

  function close(): void {
    if (!dialog.open) return;
    dialog.close();
    shell.shown(false);
    // A control of the page that has opened the chat gets the focus back.
    const own = before === document.body || before === root.host;
    if (before?.isConnected && !own) before.focus();
    else button.focus();
  }

  function focus(): void {
    // A touch screen would answer with its keyboard, over half of the chat.
    if (matchMedia("(pointer: fine)").matches) element.focusComposer().catch(console.error);
    else dialog.focus();
  }

  async function ask(question?: string): Promise<void> {
    open();
    if (!question) return;
    const message = { text: question };
    // An answer may be on its way: then the question waits in the text field.
    await element.sendUserMessage(message).catch(() => element.setComposerValue(message));
  }

  async function quote(text: string): Promise<void> {
    open();
    await element.setComposerValue({ reply: text });
  }

  dialog.id = "panel";
  dialog.part = "panel";
  dialog.className = button.className;
  dialog.ariaLabel = title;
  dialog.tabIndex = -1;
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  // Keys typed into the chat belong to it, and not to the page's shortcuts.
  for (const type of ["keydown", "keypress", "keyup"] as const) {
    dialog.addEventListener(type, (event) => {
      event.stopPropagation();
      // The chat itself uses Escape to leave what it has open, such as its history.
      const escape = type === "keydown" && event.key === "Escape" && !isComposing(event);
      if (escape && !event.defaultPrevented) close();
    });
  }
  dialog.addEventListener("click", (event) => {
    if (follow(event) && small.matches) close();
  });
  keepAboveKeyboard(dialog, () => small.matches);
  // Between covering the page and lying beside it.
  small.addEventListener("change", () => {
    if (!dialog.open) return;
    dialog.close();
    if (small.matches) dialog.showModal();
    else dialog.open = true;
  });

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets.push(sheet);
  dialog.append(element);
  root.append(dialog);
  button.setAttribute("aria-controls", dialog.id);
  configure();
  watchScheme(() => {
    if (readScheme(dataset.theme) !== scheme) configure();
  });
  return { element, open, close, ask, quote, configure };
}

/**
 * Offers a clicked link of the page's own site to the page, which may have a router, and follows
 * it otherwise, on this page without loading it anew. Returns whether the reader goes there in this tab.
 */
function follow(event: MouseEvent): boolean {
  const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
  if (event.button !== 0 || modified || event.defaultPrevented) return false;
  if (!link?.href || link.target === "_blank" || link.hasAttribute("download")) return false;
  const destination = readDestination(link.href);
  const { url } = destination;
  if (url.origin !== location.origin) return false;
  const isHere = url.pathname === location.pathname && url.search === location.search;
  const before = isHere ? undefined : pageText();
  const offer = new CustomEvent("chatkit:navigate", {
    // Without the words that are cited, which only a browser that loads the page looks for.
    detail: { url: url.href.replace(/:~:.*/, "") },
    cancelable: true,
  });
  const isTaken = !dispatchEvent(offer);
  if (isTaken || isHere) {
    event.preventDefault();
    if (!isTaken && url.href !== location.href) history.pushState(null, "", url);
    void showPassage(destination, before);
  }
  return true;
}
