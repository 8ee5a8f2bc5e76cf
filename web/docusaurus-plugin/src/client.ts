// Loaded by every page: only what the bubble needs before it is clicked.
import "./bubble.css";

import ExecutionEnvironment from "@docusaurus/ExecutionEnvironment";
import globalData from "@generated/globalData";

import type { PageOptions } from "./index";

const SVG = "http://www.w3.org/2000/svg";

if (ExecutionEnvironment.canUseDOM) {
  const options = globalData["docusaurus-plugin-chatkit"]?.default as PageOptions;
  const bubble = document.createElement("button");
  bubble.type = "button";
  bubble.className = `chatkit-bubble chatkit-${options.position}`;
  bubble.ariaLabel = options.title;
  bubble.ariaExpanded = "false";

  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute(
    "d",
    "M21 12a8 8 0 0 1-8 8H4l1.8-3.6A8 8 0 1 1 21 12zM9 12h.01M13 12h.01M17 12h.01",
  );
  icon.append(shape);
  bubble.append(icon);

  bubble.onclick = () => {
    // A second click while the chat is loading would close what the first one opens.
    if (bubble.ariaBusy) return;
    bubble.ariaBusy = "true";
    bubble.title = "";
    import("./panel")
      .then(({ toggle }) => toggle(bubble, options))
      .catch((error: unknown) => {
        bubble.title = "The chat could not be loaded. Try again.";
        console.error(error);
      })
      .finally(() => {
        bubble.ariaBusy = null;
      });
  };
  // Outside #__docusaurus: React doesn't own it, so a change of page leaves it alone.
  document.body.append(bubble);
}
