/** Sends requests to a ChatKit server. */

import { ChatError, isAbort, UNREACHED } from "./errors.js";
import type { Calls, StreamEvent, StreamRequest } from "./protocol.js";
import { readEvents } from "./sse.js";

export interface ClientOptions {
  url: string;
  fetch?: typeof fetch;
  /**
   * Whether to ask the server to let an answer go on without its reader. On another origin a server
   * that doesn't know of it may refuse all requests for the header that says so.
   */
  resume?: boolean;
  /** Called once, when there is no answer or one of something that is no chat server. */
  unreached?: (address: string) => void;
}

/** The answer that is being written in a thread, or how the last one ended. */
export type Turn =
  | { running: true; events: AsyncGenerator<StreamEvent>; close: () => void }
  | {
      running: false;
      /** `unknown` where the server has no resume. */
      end: "completed" | "stopped" | "failed" | "interrupted" | "none" | "unknown";
    };

/** How long the network may hold back what the server has sent. */
const SLOW_SECONDS = 15;

const ENDS = ["completed", "stopped", "failed", "interrupted", "none"] as const;

export class ChatClient {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  #resumes: boolean;
  #unreached: ((address: string) => void) | undefined;
  #heard = false;

  constructor({ url, fetch = globalThis.fetch, resume = false, unreached }: ClientOptions) {
    this.#url = url;
    this.#resumes = resume;
    this.#unreached = unreached;
    // A browser's own fetch refuses to be called as a method of another object.
    this.#fetch = (input, init) => fetch(input, init);
  }

  /** Whether the server is thought to go on with an answer whose reader is gone. */
  get resumes(): boolean {
    return this.#resumes;
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
    yield* events(response, signal);
  }

  /** What is being written in a thread, from the question on. */
  async takeUp(threadId: string, signal: AbortSignal): Promise<Turn> {
    if (!this.#resumes) return { running: false, end: "unknown" };
    const response = await this.request(`turns/${encodeURIComponent(threadId)}`, {
      headers: { Accept: "text/event-stream" },
      signal,
    });
    if (response.status === 204) {
      const said = response.headers.get("X-Chatkit-Turn");
      return { running: false, end: ENDS.find((end) => end === said) ?? "unknown" };
    }
    if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      // Whoever has begun to read it has closed it: then this is refused, and need not be done.
      const close = () => void response.body?.cancel().catch(() => undefined);
      return { running: true, events: events(response, signal), close };
    }
    const error = await ChatError.fromResponse(response);
    if (response.ok || isUnknownAddress(error)) {
      this.#resumes = false;
      return { running: false, end: "unknown" };
    }
    throw error;
  }

  /** False where the server has no such endpoint: closing the connection is all there is. */
  async stop(threadId: string, signal: AbortSignal): Promise<boolean> {
    if (!this.#resumes) return false;
    const response = await this.request("stop", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ thread_id: threadId }),
      signal,
    });
    if (response.ok) return true;
    const error = await ChatError.fromResponse(response);
    if (!isUnknownAddress(error)) throw error;
    this.#resumes = false;
    return false;
  }

  /** Asks an endpoint that stands beside the protocol's own. */
  request(name: string, init: RequestInit): Promise<Response> {
    // Before the query, where there is one.
    return this.#send(this.#url.replace(/\/?([?#].*)?$/, `/${name}$1`), init);
  }

  async #post(
    body: { type: string; params: object },
    accept: string,
    signal?: AbortSignal,
  ): Promise<Response> {
    const response = await this.#send(this.#url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: accept,
        ...(this.#resumes && { "X-Chatkit-Resume": "1" }),
      },
      body: JSON.stringify(body),
      signal,
    });
    const isPage = response.headers.get("Content-Type")?.startsWith("text/html");
    if (response.ok && !isPage) return response;
    const error = await ChatError.fromResponse(response);
    // A host of plain files has a page at the address, or refuses to be sent anything. Only a server
    // that is asked for a thread may mean that with 404.
    const isNobody = response.ok || (isUnknownAddress(error) && !knowsThread(error, body));
    throw isNobody ? this.#noServer("no_server", error) : error;
  }

  #noServer(code: string, cause: unknown): ChatError {
    this.#unreached?.(this.#url);
    this.#unreached = undefined;
    return new ChatError(null, { status: UNREACHED, code, cause });
  }

  async #send(address: string, init: RequestInit): Promise<Response> {
    try {
      const response = await this.#fetch(address, init);
      this.#heard = true;
      return response;
    } catch (error) {
      if (isAbort(error) || init.signal?.aborted) throw error;
      // A script can't tell a server that refuses the page's origin from a network that is away.
      if (!this.#heard) throw this.#noServer("connection", error);
      throw new ChatError(null, { cause: error });
    }
  }
}

async function* events(
  { body, headers }: Response,
  signal: AbortSignal | undefined,
): AsyncGenerator<StreamEvent> {
  if (!body) return;
  const pause = Number(headers.get("X-Chatkit-Keep-Alive"));
  // Two comments may be late, and the network slow.
  const silence = pause > 0 ? 2 * pause + SLOW_SECONDS : 0;
  try {
    for await (const data of readEvents(body, silence)) yield JSON.parse(data) as StreamEvent;
  } catch (error) {
    if (isAbort(error) || signal?.aborted) throw error;
    throw error instanceof SyntaxError
      ? new ChatError("The server sent something that is not an event.", { code: "no_event" })
      : new ChatError(null, { cause: error });
  }
}

/** Our server gives a reason for a thread that it doesn't know; others don't know the address. */
function isUnknownAddress({ status, code }: ChatError): boolean {
  return [404, 405, 501].includes(status) && code === "unknown";
}

function knowsThread({ status }: ChatError, { params }: { params: object }): boolean {
  return status === 404 && "thread_id" in params;
}
