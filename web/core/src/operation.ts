/** Something under way: the load of a thread, or the reading of an answer. */

export class Operation {
  /** Whether this tab has asked, so that effects and calls of tools are its own to carry out. */
  readonly own: boolean;
  /** Whether `response.start` was said. */
  started = false;
  /** The reader has pressed Stop: nothing more of the answer is shown. */
  stopping = false;
  /** Tries to connect since the server was heard last. */
  attempts = 0;
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
