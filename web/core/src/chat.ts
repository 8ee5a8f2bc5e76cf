/** One chat: what is open, what is being answered, and every operation on it. */

import { Answers, confirmed } from "./answers.js";
import type { ChatClient } from "./client.js";
import { asChatError, type ChatError, isLost } from "./errors.js";
import { History } from "./history.js";
import type {
  StreamRequest,
  StructuredSubmission,
  UserMessageItem,
  WidgetAction,
} from "./protocol.js";
import { BLANK, type ChatHost, type ChatState, type Message } from "./state.js";
import { isLocal, LOCAL_PREFIX } from "./thread.js";

export class Chat {
  readonly history: History;
  readonly #host: ChatHost;
  readonly #answers: Answers;
  #loaded: Promise<void> = Promise.resolve();
  #lastMessage: Message | null = null;
  #localIds = 0;

  constructor(host: ChatHost) {
    this.#host = host;
    this.#answers = new Answers(host, () => {
      if (this.#lastMessage) host.giveBack(this.#lastMessage);
    });
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

  get state(): ChatState {
    return this.#answers.state;
  }

  /** Shows a thread, or a new one. A stored id that is gone (`initial`) ends in a new thread. */
  async open(threadId: string | null, { initial = false } = {}): Promise<void> {
    this.#answers.abandon();
    this.#answers.show({ ...BLANK, threadId }, initial);
    if (threadId === null) return;
    this.#loaded = new Promise((shown) => void this.#load(threadId, initial, shown));
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
      attachments: message.attachments ?? [],
    };
    const { thread, failure } = this.state;
    // A message that could not be sent makes way for the new one; a stopped one may have arrived.
    const items = failure ? confirmed(thread.items) : thread.items;
    this.#answers.set({ thread: { ...thread, items: [...items, local] } });
    await this.#answers.answer(this.#messageRequest(message));
  }

  /** Ends the answer and keeps what has come of it. */
  stop(): void {
    this.#answers.stop();
  }

  /** Repeats what failed: the load, the message, or only its answer. */
  async tryAgain(): Promise<void> {
    const { failure, threadId, thread } = this.state;
    if (!failure) return;
    if (failure.during === "load") return this.open(threadId);
    if (failure.repeat) return failure.repeat();
    const question = thread.items.findLast((item) => item.type === "user_message");
    if (question && !isLocal(question)) return this.retry(question.id);
    if (!this.#lastMessage) return;
    const request = this.#messageRequest(this.#lastMessage);
    await this.#answers.answer(request, { check: isLost(failure.error) });
  }

  /** Answers anew the question that an item belongs to; what came after it goes. */
  async retry(itemId: string): Promise<void> {
    const threadId = this.#idleThread();
    const { thread } = this.state;
    const from = thread.items.findIndex((item) => item.id === itemId);
    const at = thread.items.findLastIndex((item, i) => i <= from && item.type === "user_message");
    const question = thread.items[at];
    if (!question || isLocal(question)) throw new Error("There is no question to answer.");
    this.#answers.set({ thread: { ...thread, items: thread.items.slice(0, at + 1) } });
    const params = { thread_id: threadId, item_id: question.id };
    await this.#answers.answer({ type: "threads.retry_after_item", params });
  }

  async customAction(action: WidgetAction, itemId?: string): Promise<void> {
    const params = { thread_id: this.#idleThread(), action, ...(itemId && { item_id: itemId }) };
    await this.#answers.answer({ type: "threads.custom_action", params });
  }

  /** An action whose answer is the changed item alone; an answer on its way goes on beside it. */
  async syncAction(action: WidgetAction, itemId?: string): Promise<void> {
    const { threadId } = this.state;
    if (threadId === null) throw new Error("There is no thread for the action yet.");
    const params = { thread_id: threadId, action, ...(itemId && { item_id: itemId }) };
    const { failure } = this.state;
    try {
      const client = this.#host.client();
      const { updated_item: item } = await client.call("threads.sync_custom_action", params);
      if (this.state.threadId !== threadId) return;
      // What this has failed with before, and no other failure.
      if (failure?.repeat && failure === this.state.failure) this.#answers.set({ failure: null });
      if (item) this.#answers.take({ type: "thread.item.replaced", item });
    } catch (caught) {
      const error = asChatError(caught);
      const { phase } = this.state;
      // Beside an answer on its way it would be taken for that answer's failure.
      if (this.state.threadId === threadId && phase === "idle") {
        const repeat = () => this.syncAction(action, itemId).catch(() => undefined);
        this.#answers.set({ failure: { error, during: "answer", repeat } });
      }
      throw error;
    }
  }

  /** Sends the answers to a form, or that it was skipped. */
  async submitForm(itemId: string, input: StructuredSubmission): Promise<void> {
    const params = { thread_id: this.#idleThread(), item_id: itemId, input };
    await this.#answers.answer({ type: "threads.add_structured_input", params });
  }

  /** Reads the open thread again; an answer on its way is left alone. */
  async fetchUpdates(): Promise<void> {
    const { threadId, phase } = this.state;
    if (threadId === null || phase !== "idle") return;
    const errors: ChatError[] = [];
    const operation = this.#answers.begin({}, false);
    await this.#answers.settle(
      operation,
      () => this.#answers.follow(operation),
      (error) => errors.push(error),
    );
    if (errors[0]) throw errors[0];
  }

  /** Another tab has changed a thread. */
  heard(threadId: string): void {
    if (threadId === this.state.threadId) this.#answers.refresh();
  }

  /** The network or the reader is back: repeats what failed for want of it, reads what is new. */
  wake(): void {
    const { failure, phase, thread } = this.state;
    if (phase !== "idle" || this.#answers.busy) return;
    if (failure && isLost(failure.error)) {
      const unsent = thread.items.some(isLocal) && this.#host.client().resumes;
      if (failure.during === "load" || unsent) void this.tryAgain();
    }
    if (this.state.phase === "idle") this.#answers.refresh();
  }

  async rate(itemId: string, kind: "positive" | "negative"): Promise<void> {
    const { threadId, feedback } = this.state;
    if (threadId === null) return;
    this.#answers.set({ feedback: { ...feedback, [itemId]: kind } });
    try {
      const params = { thread_id: threadId, item_ids: [itemId], kind };
      await this.#host.client().call("items.feedback", params);
    } catch (error) {
      // Only this one: others may have been rated meanwhile.
      this.#answers.set({ feedback: { ...this.state.feedback, [itemId]: feedback[itemId] } });
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

  /** Whether the thread has the title now. */
  async rename(threadId: string, title: string): Promise<boolean> {
    const renamed = await this.history.rename(threadId, title);
    if (!renamed) return false;
    this.#host.tell(threadId);
    const { thread } = this.state;
    if (this.state.threadId === threadId) {
      const metadata = { ...thread.thread, id: threadId, title };
      this.#answers.set({ thread: { ...thread, thread: metadata } });
    }
    return true;
  }

  async deleteThread(threadId: string): Promise<void> {
    const deleted = await this.history.delete(threadId);
    if (!deleted) return;
    this.#host.tell(threadId);
    if (this.state.threadId === threadId) await this.open(null);
  }

  get client(): ChatClient {
    return this.#host.client();
  }

  /** Ends whatever is under way, for an element that leaves the page. */
  close(): void {
    this.#answers.abandon();
    this.history.close();
    if (this.state.phase !== "idle") this.#answers.set({ phase: "idle", connection: "up" });
  }

  async #load(threadId: string, initial: boolean, shown: () => void): Promise<void> {
    const operation = this.#answers.begin({ phase: "loading" }, false);
    this.#host.emit("thread.load.start", { threadId });
    let loaded = false;
    const onShown = () => {
      if (!loaded) this.#host.emit("thread.load.end", { threadId });
      loaded = true;
      shown();
    };
    await this.#answers.settle(
      operation,
      () => this.#answers.follow(operation, onShown),
      (error) => {
        if (loaded) this.#answers.failed(error, operation);
        else this.#loadFailed(error, initial);
      },
    );
    onShown();
    // The page that was to run it may have been this one, before it was loaded anew.
    if (initial) await this.#answers.takeUpCall();
  }

  #loadFailed(error: ChatError, initial: boolean): void {
    if (error.status === 404) this.#answers.gone(error, initial);
    else this.#answers.set({ phase: "idle", failure: { error, during: "load" } });
    this.#host.emit("error", { error });
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
      attachments: message.attachments?.map(({ id }) => id) ?? [],
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
}
