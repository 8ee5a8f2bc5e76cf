/** The icons that widgets may name, drawn on a grid of 24 like those of the chat. */

import { findIcon, ICONS } from "../icons.js";

const CIRCLE = "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z";
const PAGE = "M6 3.5h8l4 4v13H6zM14 3.5v4h4";
const PERSON = "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5c.6-4 3.6-6 7.5-6s6.9 2 7.5 6";
const STAR = "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z";
const PENCIL = "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3";

const GLYPHS: Record<string, string> = {
  // Those of the composer.
  clip: "M19.5 11.5l-7.6 7.6a4.6 4.6 0 0 1-6.5-6.5l8-8a3.1 3.1 0 0 1 4.4 4.4l-7.9 7.9a1.5 1.5 0 0 1-2.1-2.1l7-7",
  mention:
    "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM15.5 8.5v4.7a2.4 2.4 0 0 0 4.8 0V12a8.3 8.3 0 1 0-3.4 6.7",
  microphone:
    "M12 3.5a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0V6A2.5 2.5 0 0 1 12 3.5zM6 11a6 6 0 0 0 12 0M12 17v3.5",
  agent: "M5 8.5h14v10H5zM12 8.5V5M12 4.5v.01M9.5 13v1M14.5 13v1M2.5 12.5v3M21.5 12.5v3",
  analytics: "M4 4v16h16M8 15l3.5-4 3 2.5L19 8",
  atom: "M12 11.9v.2M12 8c5 0 9 1.8 9 4s-4 4-9 4-9-1.8-9-4 4-4 9-4zM8.5 10c2.5-4.3 6-6.9 8-5.8s1.5 5.5-1 9.8-6 6.9-8 5.8-1.5-5.5 1-9.8z",
  batch: "M4 8l8-4 8 4-8 4zM4 12l8 4 8-4M4 16l8 4 8-4",
  bolt: "M13 3L5 13.5h6L10 21l9-11h-6z",
  "book-clock":
    "M19 10V4H7a2 2 0 0 0-2 2v13a2 2 0 0 1 2-2h3M5 19a2 2 0 0 0 2 2h3M16.5 12.5a4.3 4.3 0 1 0 0 8.6 4.3 4.3 0 0 0 0-8.6zM16.5 14.7V17l1.5 1",
  bug: "M8 9a4 4 0 0 1 8 0v6a4 4 0 0 1-8 0zM8 12H3.5M20.5 12H16M8 8L5 5.5M16 8l3-2.5M8 16l-3 2.5M16 16l3 2.5M12 9v10",
  calendar: "M4 6h16v14H4zM4 10h16M8.5 3.5V8M15.5 3.5V8",
  chart: "M5 20v-8M12 20V4M19 20v-5",
  "check-circle": `${CIRCLE}M8.5 12.5l2.5 2.5 5-5.5`,
  "chevron-left": "M14.5 6l-6 6 6 6",
  "chevron-right": "M9.5 6l6 6-6 6",
  "chevron-up": "M6 14.5l6-6 6 6",
  "chevron-down": "M6 9.5l6 6 6-6",
  "circle-question": `${CIRCLE}M9.7 9.5a2.4 2.4 0 1 1 3.5 2.2c-.8.4-1.2.9-1.2 1.8M12 16.5v.01`,
  clock: `${CIRCLE}M12 7.5V12l3 2`,
  compass: `${CIRCLE}M15.5 8.5l-2 5-5 2 2-5z`,
  confetti: "M4 20l4.5-12 7.5 7.5zM14 4v2.5M20 10h-2.5M18.5 5.5L16 8M10.5 3.5l.5 2M20.5 14l-2-.5",
  cube: "M12 3.5l7.5 4v9l-7.5 4-7.5-4v-9zM4.5 7.5l7.5 4 7.5-4M12 11.5v9",
  desktop: "M3.5 4.5h17v11h-17zM12 15.5V20M8 20h8",
  document: `${PAGE}M9 12h6M9 16h6`,
  dot: "M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  "dots-vertical": "M12 6v.01M12 12v.01M12 18v.01",
  "empty-circle": CIRCLE,
  "external-link": "M13.5 4.5h6v6M19.5 4.5L11 13M17.5 13.5v6h-13v-13h6",
  globe: `${CIRCLE}M3.5 12h17M12 3.5c5 5 5 12 0 17M12 3.5c-5 5-5 12 0 17`,
  keys: "M8 9.5a4.5 4.5 0 1 0 0 5l2-2.5h9.5M16.5 12v3.5M19.5 12v2.5M5 12v.01",
  lab: "M9.5 3.5h5M10.5 3.5V9L5 18.5c-.6 1 .1 2 1.2 2h11.6c1.1 0 1.8-1 1.2-2L13.5 9V3.5M7.5 14.5h9",
  images: "M7 4.5h13v11H7zM4 8.5v11h13M7 13l4-4 5 5M16 8.2v.01",
  lifesaver: `${CIRCLE}M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM6 6l3.5 3.5M18 6l-3.5 3.5M6 18l3.5-3.5M18 18l-3.5-3.5`,
  lightbulb: "M9 17.5h6M10 20.5h4M9 17.5c0-2-3-3.5-3-7.5a6 6 0 0 1 12 0c0 4-3 5.5-3 7.5",
  mail: "M3.5 5.5h17v13h-17zM3.5 6.5l8.5 6.5 8.5-6.5",
  "map-pin":
    "M12 21c-4.5-4.5-6.5-7.5-6.5-10.5a6.5 6.5 0 0 1 13 0c0 3-2 6-6.5 10.5zM12 8.5a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  maps: "M3.5 6l5.5-2 6 2 5.5-2v14l-5.5 2-6-2-5.5 2zM9 4v14M15 6v14",
  mobile: "M7.5 3h9v18h-9zM11 18h2",
  name: "M4 5.5h16v13H4zM8.5 9a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zM6 15.5c.4-1.3 1.3-1.8 2.5-1.8s2.1.5 2.5 1.8M14 10.5h3.5M14 13.5h3.5",
  notebook: "M6.5 3.5h12v17h-12zM4.5 8h4M4.5 12h4M4.5 16h4",
  "notebook-pencil": "M18.5 10V3.5h-12v17H11M4.5 8h4M4.5 12h4M4.5 16h4M13 20l.7-2.7 5-5 2 2-5 5z",
  "page-blank": PAGE,
  phone:
    "M5 4h4l1.5 4.5-2 1.5a12 12 0 0 0 5.5 5.5l1.5-2L20 15v4c0 .6-.5 1-1 1A15.5 15.5 0 0 1 4 5c0-.5.4-1 1-1z",
  play: "M7 4.5l12 7.5-12 7.5z",
  plus: "M12 5v14M5 12h14",
  profile: `${CIRCLE}M12 7.5a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM6.5 18c.8-2.3 2.9-3.2 5.5-3.2s4.7.9 5.5 3.2`,
  reload: "M20 12a8 8 0 1 1-2.5-5.8L20 8.5M20 4v4.5h-4.5",
  star: STAR,
  "square-code": "M4 4h16v16H4zM9.5 9.5L7 12l2.5 2.5M14.5 9.5L17 12l-2.5 2.5",
  "square-image": "M4 4h16v16H4zM4 16l4.5-4.5 7 7M15.5 8.5v.01",
  "square-text": "M4 4h16v16H4zM8 9h8M8 12.5h8M8 16h5",
  suitcase: "M4 8h16v11.5H4zM9 8V5h6v3M4 13h16",
  "settings-slider":
    "M4 8h9M17 8h3M4 16h3M11 16h9M15 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM9 14a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  user: PERSON,
  wreath:
    "M9 20c-4-1.5-6-4.5-6-8.5 0-3 1.2-5.5 3-7M15 20c4-1.5 6-4.5 6-8.5 0-3-1.2-5.5-3-7M3.5 9l3 1M4 14l3-.5M20.5 9l-3 1M20 14l-3-.5M10 20h4",
  write: PENCIL,
};

/** Names that mean another's drawing. */
const SAME: Record<string, string> = {
  "check-circle-filled": "check-circle",
  "star-filled": "star",
  "profile-card": "name",
  "write-alt": "write",
  "write-alt2": "write",
  file: "document",
};

/** Those that point along the line, which may go from right to left. */
const DIRECTED = new Set(["chevron-left", "chevron-right", "external-link", "play"]);
const FILLED = new Set(["star-filled", "dot", "play"]);

/** An icon of another set, `lucide:star`, is drawn where there is one of its name, else as a dot. */
export function Glyph({ name }: { name: unknown }) {
  const wanted = typeof name === "string" ? name.replace(/^[a-z]+:/, "") : "";
  const key = (Object.hasOwn(SAME, wanted) && SAME[wanted]) || wanted;
  const known = Object.hasOwn(GLYPHS, key) ? GLYPHS[key] : undefined;
  const path = known ?? ICONS[findIcon(wanted) ?? "dots"];
  const filled = FILLED.has(wanted) ? " filled" : "";
  const directed = DIRECTED.has(wanted) ? " directed" : "";
  return (
    <svg viewBox="0 0 24 24" class={`icon${filled}${directed}`} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
