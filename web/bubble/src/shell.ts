/** What the bubble and the panel, which is loaded later, know of each other. */

import type { OpenAIChatKit } from "@openai/chatkit";

import type { DocsChatKitOptions } from "../../element/src/standalone.js";

export type PanelOptions = Partial<DocsChatKitOptions>;

export interface Shell {
  root: ShadowRoot;
  button: HTMLButtonElement;
  title: string;
  /** The address of the bubble's script; the server is where it came from. */
  src: string;
  dataset: DOMStringMap;
  /** In the order in which the page gave them. */
  options: PanelOptions[];
  shown: (open: boolean) => void;
  /** What had the focus when the panel was first asked for. */
  from?: Element | null;
}

export interface ShownPanel {
  element: OpenAIChatKit;
  /** `again` after a change of page: the reader has not asked for it now. */
  open: (again?: boolean) => void;
  close: () => void;
  ask: (question?: string) => Promise<void>;
  /** Opens the chat with a text of the page that the reader asks about. */
  quote: (text: string) => Promise<void>;
  /** After a change of `Shell.options`. */
  configure: () => void;
}
