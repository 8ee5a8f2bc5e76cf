/** Something under way: the load of a thread, or the reading of an answer. */

import type { StreamRequest } from "./protocol.js";

export class Operation {
  /** Whether this tab has asked, so that effects and calls of tools are its own to carry out. */
  readonly own: boolean;
  /** Whether `response.start` was said. */
  started = false;
  /** The reader has pressed Stop: nothing more of the answer is shown. */
  stopping = false;
  /** What the server was asked for last, and whether it has begun to answer that. */
  asked: { request: StreamRequest; taken: boolean } | null = null;
  /** Tries to connect since the server was heard last. */
  attempts = 0;
  /** The tool's call that this tab has claimed last, and what lets other tabs run it. */
  claimed: { callId: string; release: () => void } | null = null;
  readonly #controller = new AbortController();

  constructor({ own }: { own: boolean }) {
    this.own = own;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort();
  }
}
