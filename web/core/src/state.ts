/** What a chat shows, and what it asks of whoever shows it. */

import type { ChatClient } from "./client.js";
import type { ChatError } from "./errors.js";
import type { Attachment, UserContent } from "./protocol.js";
import { EMPTY_THREAD, type ThreadState } from "./thread.js";

export interface Failure {
  readonly error: ChatError;
  /** Whether a thread could not be loaded or a message not be answered. */
  readonly during: "load" | "answer";
  /** Does what failed once more, where that is something else than answering the last question. */
  readonly repeat?: () => Promise<void>;
}

export interface ChatState {
  readonly threadId: string | null;
  readonly thread: ThreadState;
  readonly phase: "idle" | "loading" | "answering";
  readonly failure: Failure | null;
  /** The reader stopped the last answer. */
  readonly stopped: boolean;
  /** While it is lost, an answer is waited for; `offline` is what the browser says. */
  readonly connection: "up" | "lost" | "offline";
  readonly feedback: Readonly<Record<string, "positive" | "negative" | undefined>>;
}

export interface ChatEvents {
  error: { error: Error };
  effect: { name: string; data?: Record<string, unknown> };
  "response.start": undefined;
  "response.end": undefined;
  "history.open": undefined;
  "history.close": undefined;
  "thread.change": { threadId: string | null };
  "thread.load.start": { threadId: string };
  "thread.load.end": { threadId: string };
  log: { name: string; data?: Record<string, unknown> };
}

export interface ClientToolCall {
  name: string;
  params: Record<string, unknown>;
}

/** What a chat asks of whoever shows it. */
export interface ChatHost {
  client: () => ChatClient;
  changed: () => void;
  emit: <K extends keyof ChatEvents>(name: K, detail: ChatEvents[K]) => void;
  /** A message that the server refused, for the reader to edit. */
  giveBack: (message: Message) => void;
  runTool?: (call: ClientToolCall) => unknown;
  /**
   * Makes this the only one of the visitor's tabs that runs a call; gives the end of that. Null where
   * another tab runs it, or where tabs can't tell.
   */
  claim?: (callId: string) => Promise<(() => void) | null>;
  online: () => boolean;
  /** Waits, and no longer than until the connection may be back. */
  pause: (seconds: number, signal: AbortSignal) => Promise<void>;
  /** Tells the visitor's other tabs that a thread has changed; they call `heard`. */
  tell: (threadId: string) => void;
}

export interface Message {
  content: UserContent[];
  quotedText?: string;
  attachments?: Attachment[];
  toolId?: string;
  model?: string;
}

export const BLANK: ChatState = {
  threadId: null,
  thread: EMPTY_THREAD,
  phase: "idle",
  failure: null,
  stopped: false,
  connection: "up",
  feedback: {},
};
