/** Registers the element. Apart from the class, so that importing that has no effect. */

import { DocsChatKit } from "./element.js";

export const TAG = "docs-chatkit";

/**
 * Makes `tag` the element and does nothing if the page has such an element already. Pass
 * `"openai-chatkit"` to stand in for OpenAI's own.
 */
export function define(tag: string = TAG): void {
  // A class can only be registered once, hence one for each tag.
  if (!customElements.get(tag)) customElements.define(tag, class extends DocsChatKit {});
}
