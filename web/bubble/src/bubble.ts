/** What a page pays before the first click: a button, and the ways to open the chat. */

import css from "./bubble.css";
import type { SelectionOptions } from "../../element/src/page/selection.js";
import type { PanelOptions, Shell, ShownPanel } from "./shell.js";

/** Names of files, each with its hash. */
declare const PANEL: [string, string][];
declare const SELECTION: [string, string];

const CHAT = "M21 12a8 8 0 0 1-8 8H4l1.8-3.6A8 8 0 1 1 21 12zM9 12h.01M13 12h.01M17 12h.01";
const CLOSE = "M6 6l12 12M18 6L6 18";
const SVG = "http://www.w3.org/2000/svg";

/** What `window.DocsChatKit` offers to the page. */
export interface BubbleApi {
  open: () => Promise<void>;
  close: () => Promise<void>;
  /** Opens the chat and asks; without a question it only opens. */
  ask: (question?: string) => Promise<void>;
  /** Loads the chat without opening it: its methods and events, as `OpenAIChatKit` names them. */
  load: () => Promise<ShownPanel["element"]>;
  /** Options of the chat beyond those of the script tag; later ones win. */
  configure: (options: PanelOptions) => Promise<void>;
}

const page = window as { DocsChatKit?: BubbleApi };
// Not there in a module or where a loader has put the code elsewhere.
const script = (document.currentScript ??
  document.querySelector("script[src*=chatkit-bubble]")) as HTMLScriptElement | null;

// A page that runs its scripts again, as Turbo does, has the bubble already.
if (script && !page.DocsChatKit) {
  const { src, dataset } = script;
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  const button = document.createElement("button");
  const icon = document.createElementNS(SVG, "svg");
  const shape = document.createElementNS(SVG, "path");
  const openKey = `${dataset.namespace ?? "docs-chatkit"}:open`;
  const options: PanelOptions[] = [];
  const { accent, ask = "Ask about this", offset, position = "", title = "Ask the docs" } = dataset;
  let panel: Promise<ShownPanel> | undefined;

  // Not a <style>: a page's content security policy may forbid those.
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  host.id = "chatkit-bubble";
  const set = (property: string, value: string | undefined) => {
    if (value) host.style.setProperty(property, value);
  };
  set("--chatkit-accent", accent);
  const [at, up = at] = offset?.split(" ") ?? [];
  set("--at", at);
  set("--up", up);

  button.type = "button";
  button.part = "bubble";
  button.className = position;
  button.ariaLabel = title;
  button.ariaHasPopup = "dialog";
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.append(shape);
  button.append(icon);
  root.append(button);

  /** Session storage, where the browser gives it. */
  const remembered = (open?: boolean): unknown => {
    try {
      if (open !== undefined) sessionStorage[openKey] = open ? 1 : "";
      return sessionStorage[openKey];
    } catch {
      return;
    }
  };
  const shown = (open: boolean): void => {
    remembered(open);
    button.ariaExpanded = String(open);
    shape.setAttribute("d", open ? CLOSE : CHAT);
  };
  const shell: Shell = { root, button, title, src, dataset, options, shown };

  /** Checked where the page has asked for that. */
  const preload = ([name, integrity]: [string, string]): string => {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    if (script.integrity) link.integrity = integrity;
    link.href = new URL(name, src).href;
    document.head.append(link);
    return link.href;
  };
  const load = (): Promise<ShownPanel> => {
    // A second click while the chat is loading must not close what the first one opens.
    button.ariaBusy = "true";
    button.title = "";
    if (!panel) {
      shell.from = document.activeElement;
      // All at once, and the panel itself is the first of them.
      const [address] = PANEL.map(preload);
      panel = import(address as string).then(
        ({ createPanel }: { createPanel: (shell: Shell) => ShownPanel }) => createPanel(shell),
      );
    }
    return panel
      .catch((error: unknown) => {
        panel = undefined;
        button.title =
          dataset.failure ?? "The chat could not be loaded. Try again, or reload the page.";
        throw error;
      })
      .finally(() => {
        button.ariaBusy = null;
      });
  };

  const api: BubbleApi = {
    open: async () => {
      (await load()).open();
    },
    close: async () => {
      // After what has been asked of it while it is loading.
      if (panel) (await load()).close();
    },
    ask: async (question) => (await load()).ask(question),
    load: async () => (await load()).element,
    configure: async (more) => {
      options.push(more);
      (await panel)?.configure();
    },
  };
  page.DocsChatKit = api;

  const run = (work: Promise<void>): void => {
    work.catch(console.error);
  };
  button.onclick = () => {
    if (!button.ariaBusy) run(button.ariaExpanded === "true" ? api.close() : api.open());
  };
  for (const name of ["open", "close", "ask"] as const) {
    addEventListener(`chatkit:${name}`, ({ detail }: CustomEventInit<{ question?: string }>) => {
      run(api[name](detail?.question));
    });
  }

  const onSelect = (): void => {
    if (getSelection()?.isCollapsed !== false) return;
    document.removeEventListener("selectionchange", onSelect);
    import(preload(SELECTION)).then(
      ({ watchSelection }: { watchSelection: (options: SelectionOptions) => void }) => {
        watchSelection({
          label: ask,
          ask: (text) => {
            run(load().then((loaded) => loaded.quote(text)));
          },
        });
      },
      console.error,
    );
  };
  if (ask) document.addEventListener("selectionchange", onSelect);

  const wasOpen = remembered();
  shown(false);
  const place = (): void => {
    document.body.append(host);
    // A link in the chat has led to this page: the chat stays, and leaves the focus alone.
    if (wasOpen)
      load().then((loaded) => {
        loaded.open(true);
      }, console.error);
  };
  // Turbo and Astro put the next page's body in the place of this one's.
  new MutationObserver(() => {
    if (!host.isConnected) document.body.append(host);
  }).observe(document.documentElement, { childList: true });
  // Not there yet where the script stands in the head without `defer`.
  if (document.body as HTMLElement | null) place();
  else addEventListener("DOMContentLoaded", place);
}
