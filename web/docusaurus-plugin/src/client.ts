// Loaded by every page: only what the bubble needs before it is clicked.
import "./bubble.css";

import ExecutionEnvironment from "@docusaurus/ExecutionEnvironment";
import globalData from "@generated/globalData";

import { watchConsent } from "./consent";
import type { BubbleOptions } from "./index";
import type { Panel } from "./panel";

const SVG = "http://www.w3.org/2000/svg";

const options = globalData["docusaurus-plugin-chatkit"]?.default as BubbleOptions;

let bubble: HTMLButtonElement | undefined;
let opened: Panel | undefined;

/** Loads the panel, which then does what was asked. Without a bubble there is no consent yet. */
function load(use: (panel: Panel) => void): void {
  const button = bubble;
  if (!button) return;
  if (opened) {
    use(opened);
    return;
  }
  button.ariaBusy = "true";
  button.title = "";
  import("./panel")
    .then(({ panelOf }) => {
      // The reader may have taken their consent back meanwhile.
      if (bubble === button) use((opened = panelOf(button, options)));
    })
    .catch((error: unknown) => {
      button.title = options.failed;
      console.error(error);
    })
    .finally(() => {
      button.ariaBusy = null;
    });
}

function showBubble(): void {
  if (bubble) return;
  // Without a type, by which resets name buttons more strongly; there is no form to be sent.
  const button = document.createElement("button");
  button.className = `chatkit-bubble chatkit-${options.position}`;
  button.style.cssText = options.style ?? "";
  button.ariaLabel = options.title;
  button.ariaExpanded = "false";
  if (options.spokenShortcut) button.setAttribute("aria-keyshortcuts", options.spokenShortcut);

  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute(
    "d",
    "M21 12a8 8 0 0 1-8 8H4l1.8-3.6A8 8 0 1 1 21 12zM9 12h.01M13 12h.01M17 12h.01",
  );
  icon.append(shape);
  button.append(icon);

  button.onclick = () => {
    // A second click while the chat is loading would close what the first one opens.
    if (!button.ariaBusy) load((panel) => panel.toggle());
  };
  // Outside #__docusaurus: React doesn't own it, so a change of page leaves it alone.
  document.body.append((bubble = button));
}

function removeChat(): void {
  opened?.remove();
  bubble?.remove();
  opened = bubble = undefined;
}

/** Opens the chat where the address asks for it. */
function followAddress(previous: Location | null): void {
  if (options.openByLink && /[?&]ask\b|#ask$/.test(location.search + location.hash)) {
    load((panel) => panel.openByAddress(previous));
  }
}

function followShortcut(event: KeyboardEvent, shortcut: readonly string[]): void {
  const held = (["ctrl", "shift", "meta"] as const).filter((name) => event[`${name}Key`]);
  // Of text, since a browser that fills a field in sends an event without a key.
  if (event.altKey || !shortcut.includes([...held, event.key].join("+").toLowerCase())) return;
  event.preventDefault();
  load((panel) => panel.toggle());
}

/** Called by Docusaurus for the first page and after every change of page. */
export function onRouteDidUpdate({ previousLocation }: { previousLocation: Location | null }) {
  followAddress(previousLocation);
}

// Where a development server runs this module again, the bubble that is there stays.
if (ExecutionEnvironment.canUseDOM && !document.querySelector(".chatkit-bubble")) {
  for (const name of ["open", "close", "ask"] as const) {
    addEventListener(`chatkit:${name}`, ({ detail }: CustomEventInit<unknown>) => {
      // A chat that was never opened is not loaded to be closed.
      if (name !== "close" || opened || bubble?.ariaBusy) load((panel) => panel[name](detail));
    });
  }
  const { shortcut } = options;
  if (shortcut) {
    // Before the panel, which keeps to itself what is typed into it.
    addEventListener("keydown", (event) => followShortcut(event, shortcut), true);
  }
  const { askSelection } = options;
  if (askSelection) {
    const watch = () => {
      // A click alone marks nothing.
      if (!bubble || getSelection()?.isCollapsed !== false) return;
      document.removeEventListener("selectionchange", watch);
      import("./selection").then(({ watchSelection }) => {
        watchSelection({
          label: askSelection,
          ask: (quote) => load((panel) => panel.ask({ quote })),
          isOn: () => bubble !== undefined,
        });
      }, console.error);
    };
    document.addEventListener("selectionchange", watch);
  }
  if (!options.consent) showBubble();
  else {
    const allowed = () => {
      showBubble();
      followAddress(null);
    };
    watchConsent(options.namespace, allowed, removeChat);
  }
}

// In development only. The panel knows the site's routes, and so belongs to what changes with every
// page that is edited: the one that is open stays. With other options the page is loaded anew.
// Not by `?.`: Rspack, which builds new sites, makes a call of `undefined` of that in production.
if (import.meta.webpackHot) {
  import.meta.webpackHot.accept("./panel", () => undefined);
  import.meta.webpackHot.decline("@generated/globalData");
}
