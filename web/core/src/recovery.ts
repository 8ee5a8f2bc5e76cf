/** What became of a request whose connection was lost. */

import type { ChatClient } from "./client.js";
import type { StreamRequest, ThreadItem, UserInput, UserMessageItem } from "./protocol.js";
import { isLocal, pendingToolCall, type ThreadState } from "./thread.js";

/** Seconds between two tries: over a minute of them, longer than a server takes to restart. */
const PAUSES = [0.3, 1, 2, 4, 8, 15, 15, 20];

/** How long to wait before the next try; null when it has been enough. */
export function pauseBefore(attempt: number): number | null {
  const seconds = PAUSES[attempt];
  // Not all the readers of a server that restarts at the same moment.
  return seconds === undefined ? null : seconds * (0.75 + Math.random() / 2);
}

/** Whether the thread, read again, shows that the server has taken the request. */
export function hasArrived(request: StreamRequest, thread: ThreadState): boolean {
  switch (request.type) {
    case "threads.add_user_message":
      return !thread.items.some(isLocal);
    case "threads.add_client_tool_output":
      return pendingToolCall(thread) === null;
    case "threads.add_structured_input": {
      const form = thread.items.find(({ id }) => id === request.params.item_id);
      return form?.type !== "structured_input" || (form.status ?? "pending") !== "pending";
    }
    case "threads.retry_after_item":
      return thread.items.at(-1)?.id !== request.params.item_id;
    // A thread that is known was made by it; an action may do something in the world, and is not
    // asked for twice.
    default:
      return true;
  }
}

/** The thread that a question without an answer has begun, if it came so far. */
export async function findThread(
  client: ChatClient,
  input: UserInput,
  signal: AbortSignal,
): Promise<string | null> {
  // Another tab may have begun one since.
  const page = await client.call("threads.list", { limit: 3, order: "desc" }, signal);
  for (const { id } of page.data) {
    const thread = await client.call("threads.get_by_id", { thread_id: id }, signal);
    const questions = (thread.items?.data ?? []).filter(isQuestion);
    if (questions.length === 1 && questions[0] && isSame(questions[0], input)) return id;
  }
  return null;
}

/** The thread as the server has it, with those of our messages that it does not have. */
export function reloaded(known: ThreadState, loaded: ThreadState): ThreadState {
  const before = new Set(known.items.map(({ id }) => id));
  const news = loaded.items.filter(isQuestion).filter(({ id }) => !before.has(id));
  const missing = known.items
    .filter(isQuestion)
    .filter(isLocal)
    .filter((local) => !news.some((question) => isSame(question, local)));
  const items = [...loaded.items, ...missing];
  const ids = new Set([null, ...items.map(({ id }) => id)]);
  // Notices are never stored.
  const notices = known.notices.filter(({ afterItem }) => ids.has(afterItem));
  return { ...loaded, items, notices };
}

function isQuestion(item: ThreadItem): item is UserMessageItem {
  return item.type === "user_message";
}

type Question = Pick<UserMessageItem, "content" | "quoted_text">;

function isSame(one: Question, other: Question): boolean {
  return words(one) === words(other);
}

function words({ content, quoted_text }: Question): string {
  return JSON.stringify([content.map(({ text }) => text.trim()), quoted_text?.trim() || ""]);
}
