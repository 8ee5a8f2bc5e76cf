/** The browser around a chat: its network, and the visitor's other tabs. */

export interface Listener {
  /** Another tab has changed a thread. */
  heard: (threadId: string) => void;
  /** The network is back, or the reader. */
  wake: () => void;
}

/** Tabs of one origin tell each other the id of a thread that has changed, and nothing else. */
export const CHANNEL = "docs-chatkit";

export class Surroundings {
  readonly #listener: Listener;
  #channel: BroadcastChannel | null = null;
  /** Ends all that it listens to. */
  #end: AbortController | null = null;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  open(): void {
    if (this.#end) return;
    const end = (this.#end = new AbortController());
    const { signal } = end;
    addEventListener("online", this.#listener.wake, { signal });
    const onVisible = () => {
      if (document.visibilityState === "visible") this.#listener.wake();
    };
    document.addEventListener("visibilitychange", onVisible, { signal });
    // A page that comes back from the browser's cache has lost its connections.
    const onShow = ({ persisted }: PageTransitionEvent) => {
      if (persisted) this.#listener.wake();
    };
    addEventListener("pageshow", onShow, { signal });
    try {
      this.#channel = new BroadcastChannel(CHANNEL);
    } catch {
      // Refused to frames without an origin of their own, which have no other tabs either.
      return;
    }
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") this.#listener.heard(data);
    };
  }

  close(): void {
    this.#end?.abort();
    this.#end = null;
    this.#channel?.close();
    this.#channel = null;
  }

  tell(threadId: string): void {
    this.#channel?.postMessage(threadId);
  }

  online(): boolean {
    return navigator.onLine;
  }

  /** Waits, and no longer than until the network or the reader is back. */
  pause(seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = new AbortController();
      const wake = () => {
        clearTimeout(timer);
        end.abort();
        resolve();
      };
      const timer = setTimeout(wake, seconds * 1000);
      const options = { signal: end.signal };
      addEventListener("online", wake, options);
      document.addEventListener("visibilitychange", wake, options);
      signal.addEventListener("abort", wake, options);
    });
  }
}
