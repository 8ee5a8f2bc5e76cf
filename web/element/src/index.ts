/** The chat element. Importing it does nothing; `define()` registers it. */

export { define, TAG } from "./define.js";
export { DocsChatKit } from "./element.js";
export type { DocsChatKitOptions, Highlight, HighlightedToken } from "./options.js";
