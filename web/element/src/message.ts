/** What the page sends, as the chat takes it. */

import type { Message } from "@docs-chatkit/core";
import type { OpenAIChatKit, UserMessageContent } from "@openai/chatkit";

export type SendParams = Parameters<OpenAIChatKit["sendUserMessage"]>[0];

export function messageOf(params: SendParams): Message {
  const { text, attachments } = params;
  const content: UserMessageContent[] =
    params.content ?? (text ? [{ type: "input_text", text }] : []);
  if (content.length === 0 && !attachments?.length) {
    throw new Error("A message needs text, content or attachments.");
  }
  return {
    content,
    ...(params.reply && { quotedText: params.reply }),
    ...(attachments && { attachments }),
    ...(params.toolChoice && { toolId: params.toolChoice.id }),
    ...(params.model && { model: params.model }),
  };
}
