/** The chat element, as far as the landing page uses it. */

export interface ChatElement extends HTMLElement {
  setOptions(options: object): void;
}

export interface ElementModule {
  define(): void;
  visitorFetch(options: { namespace: string }): typeof fetch;
}

/** Not through the bundler: it is built already, and only the landing page needs it. */
export function loadElement(base: string): Promise<ElementModule> {
  return import(/* webpackIgnore: true */ `${base}chat-element/chatkit-element.js`);
}
