/** Reads a whole thread. */

import type { ChatClient } from "./client.js";
import type { ThreadItem } from "./protocol.js";
import { loadedThread, type ThreadState } from "./thread.js";

const ITEMS_PAGE_SIZE = 100;

/** `get_by_id` gives the first items only; the rest comes by pages. */
export async function loadThread(
  client: ChatClient,
  threadId: string,
  signal: AbortSignal,
): Promise<ThreadState> {
  const thread = await client.call("threads.get_by_id", { thread_id: threadId }, signal);
  const items: ThreadItem[] = [...(thread.items?.data ?? [])];
  let page = thread.items;
  while (page?.has_more && page.after) {
    const params = { thread_id: threadId, limit: ITEMS_PAGE_SIZE, after: page.after } as const;
    const next = await client.call("items.list", { ...params, order: "asc" }, signal);
    items.push(...next.data);
    // A server that repeats its cursor would keep us here for ever.
    page = next.after === page.after ? undefined : next;
  }
  return loadedThread(thread, items);
}
