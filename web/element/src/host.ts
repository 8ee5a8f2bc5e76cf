/** What the widgets and forms of a thread may ask of the chat. */

import type { Chat, StructuredSubmission, WidgetItem } from "@docs-chatkit/core";

import type { DocsChatKitOptions } from "./options.js";
import type { ActionConfig } from "./widgets/action.js";

/** One object for as long as the chat lives; none of its functions fails. */
export interface Host {
  act: (action: ActionConfig, item: WidgetItem) => Promise<void>;
  submit: (itemId: string, input: StructuredSubmission) => Promise<void>;
  fail: (error: unknown) => void;
  /** Whether a form's options may be answered with a text of one's own. */
  ownAnswers: () => boolean;
}

export function makeHost(
  chat: Chat,
  options: () => DocsChatKitOptions | null,
  fail: (error: unknown) => void,
): Host {
  return {
    act: ({ handler, streaming, type, payload }, item) => {
      const action = { type, ...(payload && { payload }) };
      const work = async () => {
        if (handler === "client") {
          const shown = item as unknown as Parameters<OnAction>[1];
          await options()?.widgets?.onAction?.(action, shown);
        } else if (streaming) await chat.customAction(action, item.id);
        else await chat.syncAction(action, item.id);
      };
      return work().catch(fail);
    },
    submit: (itemId, input) => chat.submitForm(itemId, input).catch(fail),
    fail,
    ownAnswers: () => options()?.ownAnswers === true,
  };
}

type OnAction = NonNullable<NonNullable<DocsChatKitOptions["widgets"]>["onAction"]>;
