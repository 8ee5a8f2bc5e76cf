/** The one error of this package: a request that did not end well. */

/** Stands for a status where no chat server was heard from yet. */
export const UNREACHED = 1;

export interface ChatErrorDetails {
  /** The HTTP status; 0 when the connection failed, `UNREACHED` when there never was one. */
  status?: number;
  code?: string;
  retryAfter?: number;
  allowRetry?: boolean;
  cause?: unknown;
}

/** What a status means to a reader, where the server gave no words of its own. */
export const FAILURES: Record<number, string> = {
  0: "The connection was lost. Check your network and try again.",
  1: "The chat’s server can’t be reached, or doesn’t accept this site. Check your network and try again.",
  200: "The answer could not be finished.",
  400: "The server could not use this message.",
  401: "You are not signed in, or your sign-in has expired.",
  403: "You may not do this.",
  404: "This chat no longer exists.",
  409: "An answer is still being written in this chat.",
  413: "The message is too long.",
  429: "Too many messages in a short time.",
  500: "The server met an error.",
  501: "The server does not offer this.",
  503: "The service is not available at the moment.",
};

const RETRYABLE = new Set([0, UNREACHED, 408, 409, 425, 429, 500, 502, 503, 504]);

export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly status: number;
  readonly code: string;
  /** Whether the message is one of `FAILURES`, which may be said in another language. */
  readonly generic: boolean;
  /** Seconds that the server asks to wait. */
  readonly retryAfter: number | undefined;
  /** The same request may succeed later. */
  readonly allowRetry: boolean;

  constructor(message: string | null | undefined, details: ChatErrorDetails = {}) {
    const status = details.status ?? 0;
    super(message || describeFailure(status), { cause: details.cause });
    this.status = status;
    this.generic = !message;
    this.code = details.code ?? (status === 0 || status === UNREACHED ? "connection" : "unknown");
    this.retryAfter = details.retryAfter;
    this.allowRetry = details.allowRetry ?? RETRYABLE.has(status);
  }

  /**
   * Reads `{"error": {"code", "message"}}`; any other body gives a text for the status, and so do
   * words that are for whoever made the request. They are the cause then.
   */
  static async fromResponse(response: Response): Promise<ChatError> {
    const seconds = Number(response.headers.get("Retry-After") ?? NaN);
    let error: { code?: unknown; message?: unknown } = {};
    try {
      const body = (await response.json()) as { error?: typeof error } | null;
      error = body?.error ?? {};
    } catch {
      // A proxy's HTML page says nothing to the reader.
    }
    const { status } = response;
    const words = typeof error.message === "string" ? error.message : null;
    const isTechnical = status === 400 && words !== null && /\bparams\b/.test(words);
    return new ChatError(isTechnical ? null : words, {
      status,
      ...(isTechnical && { cause: words }),
      code: typeof error.code === "string" ? error.code : undefined,
      retryAfter: Number.isFinite(seconds) ? seconds : undefined,
    });
  }
}

export function describeFailure(status: number, failures = FAILURES): string {
  return failures[status] ?? failures[500] ?? "";
}

/** Whether the connection failed: what was asked may have arrived, or not. */
export function isLost(error: unknown): error is ChatError {
  return error instanceof ChatError && error.code === "connection";
}

/** Whether `error` only says that somebody aborted the request. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

export function asChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ChatError(message, { status: -1, code: "client", allowRetry: false, cause: error });
}
