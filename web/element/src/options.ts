/** What the page decides: the options of the `OpenAIChatKit` interface and some of our own. */

import type { ChatKitOptions } from "@openai/chatkit";

export interface HighlightedToken {
  text: string;
  style?: Record<string, string | number>;
}

/** Colours code; `null` leaves it plain. Called again while a block is being streamed. */
export type Highlight = (code: string, language: string) => readonly HighlightedToken[] | null;

export type DocsChatKitOptions = ChatKitOptions & {
  highlight?: Highlight;
  /** Offers a text of one's own beside the options of a form; for a server that takes such texts. */
  ownAnswers?: boolean;
  /**
   * Whether an answer goes on while its reader is away, as this project's server lets it. By default
   * that is asked of a server on the page's own origin: one on another origin must allow the header
   * `X-Chatkit-Resume`.
   */
  resume?: boolean;
};
