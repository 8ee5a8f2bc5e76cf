// Modules that a site's own build resolves.
declare module "@generated/docusaurus-plugin-chatkit/default/chat.json" {
  const chat: import("./index").ChatOptions;
  export default chat;
}

declare module "@docs-chatkit/setup" {
  const setup: import("./setup").Setup;
  export default setup;
}

interface Window {
  /** Set by a site that knew the reader's consent before the bubble could listen. */
  chatkitConsent?: boolean;
}

interface ImportMeta {
  /** While the site is being developed. */
  webpackHot?: {
    accept(module: string, changed: () => void): void;
    decline(module: string): void;
  };
}
