/** Sends requests to a ChatKit server. */

import { ChatError, isAbort } from "./errors.js";
import type { Calls, StreamEvent, StreamRequest } from "./protocol.js";
import { readEvents } from "./sse.js";

export interface ClientOptions {
  url: string;
  fetch?: typeof fetch;
}

export class ChatClient {
  readonly #url: string;
  readonly #fetch: typeof fetch;

  constructor({ url, fetch = globalThis.fetch }: ClientOptions) {
    this.#url = url;
    // A browser's own fetch refuses to be called as a method of another object.
    this.#fetch = (input, init) => fetch(input, init);
  }

  async call<K extends keyof Calls>(
    type: K,
    params: Calls[K][0],
    signal?: AbortSignal,
  ): Promise<Calls[K][1]> {
    const response = await this.#post({ type, params }, "application/json", signal);
    try {
      return (await response.json()) as Calls[K][1];
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new ChatError(null, { cause: error });
    }
  }

  /** Ends when the server is done; `onOpen` is called once it has accepted the request. */
  async *stream(
    request: StreamRequest,
    { signal, onOpen }: { signal?: AbortSignal; onOpen?: () => void } = {},
  ): AsyncGenerator<StreamEvent> {
    const response = await this.#post(request, "text/event-stream", signal);
    onOpen?.();
    if (!response.body) return;
    try {
      for await (const data of readEvents(response.body)) yield JSON.parse(data) as StreamEvent;
    } catch (error) {
      if (isAbort(error) || signal?.aborted) throw error;
      throw new ChatError(
        error instanceof SyntaxError ? "The server sent something that is not an event." : null,
        { cause: error },
      );
    }
  }

  async #post(body: object, accept: string, signal?: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: accept },
        body: JSON.stringify(body),
        signal,
      });
    } catch (error) {
      if (isAbort(error) || signal?.aborted) throw error;
      throw new ChatError(null, { cause: error });
    }
    if (!response.ok) throw await ChatError.fromResponse(response);
    return response;
  }
}
