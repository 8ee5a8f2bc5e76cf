/** The list of a visitor's threads, newest first, a page at a time. */

import type { ChatClient } from "./client.js";
import { isAbort } from "./errors.js";
import type { ThreadMetadata } from "./protocol.js";

export interface HistoryState {
  readonly open: boolean;
  readonly loading: boolean;
  readonly threads: readonly ThreadMetadata[];
  readonly after: string | null;
  readonly error: Error | null;
}

const CLOSED: HistoryState = {
  open: false,
  loading: false,
  threads: [],
  after: null,
  error: null,
};

const PAGE_SIZE = 20;

export class History {
  state = CLOSED;
  readonly #client: () => ChatClient;
  readonly #changed: () => void;
  readonly #failed: (error: Error) => void;
  #request: AbortController | null = null;

  constructor(client: () => ChatClient, changed: () => void, failed: (error: Error) => void) {
    this.#client = client;
    this.#changed = changed;
    this.#failed = failed;
  }

  async open(): Promise<void> {
    this.#set({ ...CLOSED, open: true });
    await this.loadMore();
  }

  close(): void {
    this.#request?.abort();
    this.#set(CLOSED);
  }

  async loadMore(): Promise<void> {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    const { after } = this.state;
    this.#set({ loading: true, error: null });
    try {
      const page = await this.#client().call(
        "threads.list",
        { limit: PAGE_SIZE, order: "desc", ...(after && { after }) },
        request.signal,
      );
      if (this.#request !== request) return;
      const known = new Set(this.state.threads.map((thread) => thread.id));
      this.#set({
        loading: false,
        threads: [...this.state.threads, ...page.data.filter((thread) => !known.has(thread.id))],
        after: page.has_more ? (page.after ?? null) : null,
      });
    } catch (error) {
      if (isAbort(error) || this.#request !== request) return;
      this.#fail(error);
    }
  }

  /** Whether the thread is gone. */
  async delete(threadId: string): Promise<boolean> {
    try {
      await this.#client().call("threads.delete", { thread_id: threadId });
    } catch (error) {
      // Deleted in another tab: just as gone.
      if ((error as { status?: number }).status !== 404) {
        this.#fail(error);
        return false;
      }
    }
    const threads = this.state.threads.filter((thread) => thread.id !== threadId);
    this.#set({ threads, error: null });
    return true;
  }

  /** Whether the thread has the title now. */
  async rename(threadId: string, title: string): Promise<boolean> {
    try {
      await this.#client().call("threads.update", { thread_id: threadId, title });
    } catch (error) {
      this.#fail(error);
      return false;
    }
    const threads = this.state.threads.map((thread) =>
      thread.id === threadId ? { ...thread, title } : thread,
    );
    this.#set({ threads, error: null });
    return true;
  }

  #fail(error: unknown): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    this.#set({ loading: false, error: failure });
    this.#failed(failure);
  }

  #set(change: Partial<HistoryState>): void {
    this.state = { ...this.state, ...change };
    this.#changed();
  }
}
