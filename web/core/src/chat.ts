/** One chat: what is open, what is being answered, and every operation on it. */

import type { ChatClient } from "./client.js";
import { ChatError } from "./errors.js";
import { History } from "./history.js";
import { loadThread } from "./loading.js";
import type {
  StreamEvent,
  StreamRequest,
  StructuredSubmission,
  ThreadItem,
  UserContent,
  UserMessageItem,
  WidgetAction,
} from "./protocol.js";
import {
  applyEvent,
  EMPTY_THREAD,
  LOCAL_PREFIX,
  pendingToolCall,
  type ThreadState,
} from "./thread.js";

export interface Failure {
  readonly error: ChatError;
  /** Whether a thread could not be loaded or a message not be answered. */
  readonly during: "load" | "answer";
}

export interface ChatState {
  readonly threadId: string | null;
  readonly thread: ThreadState;
  readonly phase: "idle" | "loading" | "answering";
  readonly failure: Failure | null;
  /** The reader stopped the last answer. */
  readonly stopped: boolean;
  readonly feedback: Readonly<Record<string, "positive" | "negative">>;
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
}

export interface Message {
  content: UserContent[];
  quotedText?: string;
  attachments?: string[];
  toolId?: string;
  model?: string;
}

const BLANK: ChatState = {
  threadId: null,
  thread: EMPTY_THREAD,
  phase: "idle",
  failure: null,
  stopped: false,
  feedback: {},
};

export class Chat {
  state = BLANK;
  readonly history: History;
  readonly #host: ChatHost;
  #operation: AbortController | null = null;
  #loaded: Promise<void> = Promise.resolve();
  #lastMessage: Message | null = null;
  #localIds = 0;

  constructor(host: ChatHost) {
    this.#host = host;
    this.history = new History(
      () => host.client(),
      () => {
        host.changed();
      },
      (error) => {
        host.emit("error", { error });
      },
    );
  }

  /** Shows a thread, or a new one. A stored id that is gone (`initial`) ends in a new thread. */
  async open(threadId: string | null, { initial = false } = {}): Promise<void> {
    this.#abandon();
    this.#show({ ...BLANK, threadId }, initial);
    if (threadId === null) return;
    this.#loaded = this.#load(threadId, initial);
    await this.#loaded;
  }

  async send(message: Message, { newThread = false } = {}): Promise<void> {
    if (newThread) await this.open(null);
    await this.#loaded;
    if (this.state.phase !== "idle") throw new Error("An answer is still being written.");
    this.#lastMessage = message;
    const local: UserMessageItem = {
      type: "user_message",
      id: `${LOCAL_PREFIX}${++this.#localIds}`,
      content: message.content,
      quoted_text: message.quotedText,
    };
    const { thread, failure } = this.state;
    // A message that could not be sent makes way for the new one; a stopped one may have arrived.
    const items = failure ? thread.items.filter(isConfirmed) : thread.items;
    this.#set({ thread: { ...thread, items: [...items, local] } });
    await this.#answer(this.#messageRequest(message));
  }

  /** Ends the answer and keeps what has come of it. */
  stop(): void {
    if (this.state.phase !== "answering") return;
    this.#abandon();
    this.#set({
      phase: "idle",
      stopped: true,
      thread: { ...this.state.thread, progress: null },
    });
  }

  /** Repeats what failed: the load, the message, or only its answer. */
  async tryAgain(): Promise<void> {
    const { failure, threadId, thread } = this.state;
    if (!failure) return;
    if (failure.during === "load") return this.open(threadId);
    const question = thread.items.findLast((item) => item.type === "user_message");
    if (question && isConfirmed(question)) return this.retry(question.id);
    if (this.#lastMessage) return this.#answer(this.#messageRequest(this.#lastMessage));
  }

  /** Answers anew the question that an item belongs to; what came after it goes. */
  async retry(itemId: string): Promise<void> {
    const threadId = this.#idleThread();
    const { thread } = this.state;
    const from = thread.items.findIndex((item) => item.id === itemId);
    const at = thread.items.findLastIndex((item, i) => i <= from && item.type === "user_message");
    const question = thread.items[at];
    if (!question || !isConfirmed(question)) throw new Error("There is no question to answer.");
    this.#set({ thread: { ...thread, items: thread.items.slice(0, at + 1) } });
    const params = { thread_id: threadId, item_id: question.id };
    await this.#answer({ type: "threads.retry_after_item", params });
  }

  async customAction(action: WidgetAction, itemId?: string): Promise<void> {
    const params = { thread_id: this.#idleThread(), action, ...(itemId && { item_id: itemId }) };
    await this.#answer({ type: "threads.custom_action", params });
  }

  /** An action whose answer is the changed item alone; an answer on its way goes on beside it. */
  async syncAction(action: WidgetAction, itemId?: string): Promise<void> {
    const { threadId } = this.state;
    if (threadId === null) throw new Error("There is no thread for the action yet.");
    const params = { thread_id: threadId, action, ...(itemId && { item_id: itemId }) };
    const { updated_item: item } = await this.#host
      .client()
      .call("threads.sync_custom_action", params);
    if (item && this.state.threadId === threadId) {
      this.#take({ type: "thread.item.replaced", item });
    }
  }

  /** Sends the answers to a form, or that it was skipped. */
  async submitForm(itemId: string, input: StructuredSubmission): Promise<void> {
    const params = { thread_id: this.#idleThread(), item_id: itemId, input };
    await this.#answer({ type: "threads.add_structured_input", params });
  }

  /** Reads the open thread again; an answer on its way is left alone. */
  async fetchUpdates(): Promise<void> {
    const { threadId, phase } = this.state;
    if (threadId === null || phase !== "idle") return;
    const operation = (this.#operation = new AbortController());
    const thread = await loadThread(this.#host.client(), threadId, operation.signal);
    if (this.#operation === operation && this.state.phase === "idle") this.#set({ thread });
  }

  async rate(itemId: string, kind: "positive" | "negative"): Promise<void> {
    const { threadId, feedback } = this.state;
    if (threadId === null) return;
    this.#set({ feedback: { ...feedback, [itemId]: kind } });
    try {
      const params = { thread_id: threadId, item_ids: [itemId], kind };
      await this.#host.client().call("items.feedback", params);
    } catch (error) {
      this.#set({ feedback });
      this.#host.emit("error", { error: asChatError(error) });
    }
  }

  async openHistory(): Promise<void> {
    if (this.history.state.open) return;
    this.#host.emit("history.open", undefined);
    await this.history.open();
  }

  closeHistory(): void {
    if (!this.history.state.open) return;
    this.history.close();
    this.#host.emit("history.close", undefined);
  }

  async rename(threadId: string, title: string): Promise<void> {
    const renamed = await this.history.rename(threadId, title);
    if (renamed && this.state.threadId === threadId) {
      const { thread } = this.state;
      this.#set({ thread: { ...thread, thread: { ...thread.thread, id: threadId, title } } });
    }
  }

  async deleteThread(threadId: string): Promise<void> {
    const deleted = await this.history.delete(threadId);
    if (deleted && this.state.threadId === threadId) await this.open(null);
  }

  /** Ends whatever is under way, for an element that leaves the page. */
  close(): void {
    this.#abandon();
    this.history.close();
    if (this.state.phase !== "idle") this.#set({ phase: "idle" });
  }

  async #load(threadId: string, initial: boolean): Promise<void> {
    const operation = (this.#operation = new AbortController());
    this.#set({ phase: "loading" });
    this.#host.emit("thread.load.start", { threadId });
    try {
      const thread = await loadThread(this.#host.client(), threadId, operation.signal);
      if (this.#operation === operation) this.#set({ thread, phase: "idle" });
    } catch (caught) {
      if (this.#operation === operation) this.#loadFailed(asChatError(caught), initial);
    } finally {
      this.#host.emit("thread.load.end", { threadId });
    }
  }

  #loadFailed(error: ChatError, initial: boolean): void {
    const failure: Failure = { error, during: "load" };
    if (error.status === 404) this.#show({ ...BLANK, failure: initial ? null : failure }, false);
    else this.#set({ phase: "idle", failure });
    this.#host.emit("error", { error });
  }

  async #answer(first: StreamRequest): Promise<void> {
    const operation = (this.#operation = new AbortController());
    this.#set({ phase: "answering", failure: null, stopped: false });
    const isCurrent = () => this.#operation === operation;
    const response = { opened: false };
    const onOpen = () => {
      if (!response.opened) this.#host.emit("response.start", undefined);
      response.opened = true;
    };
    try {
      let request: StreamRequest | null = first;
      while (request && isCurrent()) {
        const { signal } = operation;
        for await (const event of this.#host.client().stream(request, { signal, onOpen })) {
          if (!isCurrent()) break;
          this.#take(event);
        }
        request = isCurrent() ? await this.#runTool() : null;
      }
    } catch (caught) {
      if (isCurrent()) this.#answerFailed(asChatError(caught), response.opened);
    } finally {
      if (isCurrent()) {
        this.#operation = null;
        this.#set({ phase: "idle", thread: { ...this.state.thread, progress: null } });
      }
      if (response.opened) this.#host.emit("response.end", undefined);
    }
  }

  #answerFailed(error: ChatError, opened: boolean): void {
    this.#set({ failure: { error, during: "answer" } });
    this.#host.emit("error", { error });
    const { thread } = this.state;
    if (opened || error.allowRetry || thread.items.every(isConfirmed)) return;
    // The same message would be refused again: the reader gets it back to edit.
    this.#set({ thread: { ...thread, items: thread.items.filter(isConfirmed) } });
    if (this.#lastMessage) this.#host.giveBack(this.#lastMessage);
  }

  #take(event: StreamEvent): void {
    try {
      this.#set({ thread: applyEvent(this.state.thread, event) });
    } catch (error) {
      this.#host.emit("log", { name: "event.ignored", data: { type: event.type, error } });
      return;
    }
    if (event.type === "thread.created" && this.state.threadId !== event.thread.id) {
      this.#set({ threadId: event.thread.id });
      this.#host.emit("thread.change", { threadId: event.thread.id });
    } else if (event.type === "client_effect") {
      this.#host.emit("effect", { name: event.name, data: event.data });
    } else if (event.type === "error") {
      const error = new ChatError(event.message, {
        status: 200,
        code: event.code,
        allowRetry: event.allow_retry ?? false,
      });
      this.#set({ failure: { error, during: "answer" } });
      this.#host.emit("error", { error });
    }
  }

  /** The request that hands the server what its client tool call gave, if it waits for one. */
  async #runTool(): Promise<StreamRequest | null> {
    const { threadId, thread, failure } = this.state;
    const call = failure ? null : pendingToolCall(thread);
    if (!call || threadId === null || !this.#host.runTool) return null;
    const result = await this.#host.runTool({ name: call.name, params: call.arguments ?? {} });
    const done = { ...call, status: "completed" as const };
    this.#take({ type: "thread.item.replaced", item: done });
    const params = { thread_id: threadId, result: result ?? {} };
    return { type: "threads.add_client_tool_output", params };
  }

  #idleThread(): string {
    const { threadId, phase } = this.state;
    if (threadId === null) throw new Error("There is no thread yet.");
    if (phase !== "idle") throw new Error("An answer is still being written.");
    return threadId;
  }

  #messageRequest(message: Message): StreamRequest {
    const { threadId } = this.state;
    const input = {
      content: message.content,
      attachments: message.attachments ?? [],
      ...(message.quotedText && { quoted_text: message.quotedText }),
      inference_options: {
        ...(message.toolId && { tool_choice: { id: message.toolId } }),
        ...(message.model && { model: message.model }),
      },
    };
    return threadId === null
      ? { type: "threads.create", params: { input } }
      : { type: "threads.add_user_message", params: { thread_id: threadId, input } };
  }

  #show(state: ChatState, quietly: boolean): void {
    const changed = state.threadId !== this.state.threadId;
    this.#set(state);
    if (changed && !quietly) this.#host.emit("thread.change", { threadId: state.threadId });
  }

  #abandon(): void {
    this.#operation?.abort();
    this.#operation = null;
  }

  #set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change };
    this.#host.changed();
  }
}

function isConfirmed(item: ThreadItem): boolean {
  return !item.id.startsWith(LOCAL_PREFIX);
}

function asChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ChatError(message, { status: -1, code: "client", allowRetry: false, cause: error });
}
