/** Asks for answers and reads them, over lost connections and from whichever tab they began in. */

import type { Turn } from "./client.js";
import { asChatError, ChatError, isLost } from "./errors.js";
import { loadThread } from "./loading.js";
import { Operation } from "./operation.js";
import type { StreamEvent, StreamRequest, ThreadItem } from "./protocol.js";
import { findThread, hasArrived, pauseBefore, reloaded } from "./recovery.js";
import { BLANK, type ChatHost, type ChatState, type Failure } from "./state.js";
import { applyEvent, isLocal, pendingToolCall, type ThreadState } from "./thread.js";

/** Seconds between two tries while the browser says that there is no network. */
const OFFLINE_PAUSE = 30;

const BUSY = 409;

/** Requests that may fail without any question being left without an answer. */
const REPEATED = new Set<StreamRequest["type"]>([
  "threads.custom_action",
  "threads.add_structured_input",
  "threads.add_client_tool_output",
]);

export class Answers {
  state = BLANK;
  readonly #host: ChatHost;
  readonly #refused: () => void;
  #operation: Operation | null = null;
  /** Another tab has changed the thread since it was read. */
  #stale = false;

  /** `refused` is called when the server will not take a message. */
  constructor(host: ChatHost, refused: () => void) {
    this.#host = host;
    this.#refused = refused;
  }

  get busy(): boolean {
    return this.#operation !== null;
  }

  set(change: Partial<ChatState>): void {
    this.state = { ...this.state, ...change };
    this.#host.changed();
  }

  /** Sends a request and reads what comes of it; `check` first whether it has arrived before. */
  async answer(first: StreamRequest, { check = false } = {}): Promise<void> {
    const operation = this.begin({ phase: "answering", failure: null, stopped: false }, true);
    operation.asked = { request: first, taken: false };
    await this.settle(operation, async () => {
      let request: StreamRequest | null = first;
      if (check) request = await this.#recover(first, operation, null);
      while (request && this.is(operation)) request = await this.#ask(request, operation);
    });
  }

  /** Shows the thread as the server has it, and reads on for as long as an answer is written. */
  async follow(operation: Operation, shown?: () => void): Promise<void> {
    try {
      await this.#follow(operation, null, shown);
    } catch (error) {
      if (!this.is(operation) || !operation.started || !isLost(error)) throw error;
      await this.#recover(null, operation, error);
    }
  }

  /** Runs the client tool that the server still waits for, as after a reload. */
  async takeUpCall(): Promise<void> {
    const { thread } = this.state;
    const call = pendingToolCall(thread);
    if (!call) return;
    const release = await this.#host.claim?.(call.id);
    if (!release) return;
    if (this.#operation || this.state.thread !== thread || this.state.failure) {
      release();
      return;
    }
    const operation = this.begin({ phase: "answering" }, true);
    operation.claimed = { callId: call.id, release };
    await this.settle(operation, async () => {
      let request = await this.#runTool(operation);
      while (request && this.is(operation)) request = await this.#ask(request, operation);
    });
  }

  /** Reads the thread again as soon as nothing else is under way; nobody is told when it fails. */
  refresh(): void {
    const { threadId, phase } = this.state;
    if (threadId === null) return;
    if (this.#operation || phase !== "idle") {
      this.#stale = true;
      return;
    }
    const operation = this.begin({}, false);
    void this.settle(
      operation,
      () => this.follow(operation),
      (error) => {
        if (error.status === 404) this.gone(error);
      },
    );
  }

  /** Ends the answer at what the reader has seen of it, or the server has kept. */
  stop(): void {
    const operation = this.#operation;
    const { phase, thread, threadId } = this.state;
    if (phase !== "answering" || !operation || operation.stopping) return;
    if (!this.#host.client().resumes) {
      this.#halt();
      return;
    }
    operation.stopping = true;
    this.set({ stopped: true, thread: { ...thread, progress: null } });
    // A thread that has no id yet is stopped as soon as it has one.
    if (threadId !== null) void this.#stopTurn(threadId, operation);
  }

  /** Ends whatever is under way; the server is not told. */
  abandon(): void {
    this.#operation?.abort();
    this.#operation = null;
    this.#stale = false;
  }

  begin(change: Partial<ChatState>, own: boolean): Operation {
    const operation = (this.#operation = new Operation({ own }));
    this.set(change);
    return operation;
  }

  is(operation: Operation): boolean {
    return this.#operation === operation;
  }

  /** Leaves the chat idle, whatever ends the work. */
  async settle(
    operation: Operation,
    work: () => Promise<void>,
    failed = (error: ChatError) => {
      this.failed(error, operation);
    },
  ): Promise<void> {
    try {
      await work();
    } catch (caught) {
      if (this.is(operation)) failed(asChatError(caught));
    }
    operation.claimed?.release();
    const current = this.is(operation);
    if (current) {
      this.#operation = null;
      const thread = { ...this.state.thread, progress: null };
      this.set({ phase: "idle", connection: "up", thread });
    }
    if (operation.started) this.#host.emit("response.end", undefined);
    if (!current) return;
    // Other tabs could not follow it, but can read what is stored.
    if (operation.own && !this.#host.client().resumes) this.#tell();
    if (!this.#stale) return;
    this.#stale = false;
    this.refresh();
  }

  failed(error: ChatError, operation: Operation): void {
    this.set({ failure: this.#failureOf(error, operation) });
    this.#host.emit("error", { error });
    const { thread } = this.state;
    if (operation.started || error.allowRetry || !thread.items.some(isLocal)) return;
    // The same message would be refused again: the reader gets it back to edit.
    this.set({ thread: { ...thread, items: confirmed(thread.items) } });
    this.#refused();
  }

  /** The thread that was open does not exist any more. */
  gone(error: ChatError, quietly = false): void {
    this.show({ ...BLANK, failure: quietly ? null : { error, during: "load" } });
  }

  show(state: ChatState, quietly = false): void {
    const changed = state.threadId !== this.state.threadId;
    this.set(state);
    if (changed && !quietly) this.#host.emit("thread.change", { threadId: state.threadId });
  }

  take(event: StreamEvent, operation?: Operation): void {
    if (operation?.stopping && event.type !== "thread.created") return;
    try {
      this.set({ thread: applyEvent(this.state.thread, event) });
    } catch (error) {
      this.#host.emit("log", { name: "event.ignored", data: { type: event.type, error } });
      return;
    }
    if (event.type === "thread.created" && this.state.threadId !== event.thread.id) {
      this.show({ ...this.state, threadId: event.thread.id });
      if (operation?.stopping) void this.#stopTurn(event.thread.id, operation);
    } else if (event.type === "client_effect" && operation?.own) {
      this.#host.emit("effect", { name: event.name, data: event.data });
    } else if (event.type === "error") {
      const error = new ChatError(event.message, {
        status: 200,
        code: event.code,
        allowRetry: event.allow_retry ?? false,
      });
      this.set({ failure: this.#failureOf(error, operation) });
      this.#host.emit("error", { error });
    }
  }

  #failureOf(error: ChatError, operation?: Operation): Failure {
    const { request, taken } = operation?.asked ?? {};
    // A question is answered anew; a form or a tool's result is sent anew as long as the server has
    // not taken it, and an action as often as the reader wants it.
    const isAction = request?.type === "threads.custom_action";
    if (!request || !(isAction || (REPEATED.has(request.type) && !taken))) {
      return { error, during: "answer" };
    }
    const repeat = () => this.answer(request, { check: !taken });
    return { error, during: "answer", repeat };
  }

  /** Gives what is to be sent when the answer has come to its end. */
  async #ask(request: StreamRequest, operation: Operation): Promise<StreamRequest | null> {
    const client = this.#host.client();
    operation.asked = { request, taken: false };
    const onOpen = () => {
      operation.asked = { request, taken: true };
      // Also after a turn that it had to wait for: other tabs have followed no longer than that.
      if (operation.started && operation.own) this.#tell();
      this.#start(operation);
    };
    try {
      await this.#read(client.stream(request, { signal: operation.signal, onOpen }), operation);
    } catch (error) {
      if (!this.is(operation) || !client.resumes) throw error;
      if (!isLost(error) && !isBusy(error, request)) throw error;
      return this.#recover(request, operation, error);
    }
    return this.#runTool(operation);
  }

  /** Whether there was anything to read. */
  async #read(events: AsyncIterable<StreamEvent>, operation: Operation): Promise<boolean> {
    let some = false;
    for await (const event of events) {
      if (!this.is(operation)) break;
      some = true;
      operation.attempts = 0;
      this.take(event, operation);
    }
    return some;
  }

  /**
   * Finds out what became of a request after a lost connection, and reads its answer on. Gives the
   * request again where it has not arrived.
   */
  async #recover(
    request: StreamRequest | null,
    operation: Operation,
    lost: ChatError | null,
  ): Promise<StreamRequest | null> {
    const before = idsOf(this.state.thread);
    for (;;) {
      if (lost) await this.#pause(operation, lost);
      if (!this.is(operation) || operation.stopping) return null;
      try {
        if (this.state.threadId === null && request?.type === "threads.create") {
          const client = this.#host.client();
          const found = await findThread(client, request.params.input, operation.signal);
          if (found === null || !this.is(operation)) return request;
          this.show({ ...this.state, threadId: found });
        }
        await this.#follow(operation, lost);
        if (!this.is(operation)) return null;
        const { threadId, thread } = this.state;
        if (request && !hasArrived(request, thread)) return request;
        const last = thread.items.at(-1);
        if (request?.type === "threads.custom_action" && !lost) {
          // The reader wants it done once more, if nothing has come of it.
          return idsOf(thread) === before ? request : null;
        }
        if (lost || threadId === null || last?.type !== "user_message") {
          return await this.#runTool(operation);
        }
        // The reader wants an answer, and there is none to come.
        const params = { thread_id: threadId, item_id: last.id };
        return { type: "threads.retry_after_item", params };
      } catch (error) {
        // A proxy says 502 or 503 while the server behind it restarts.
        const passing = error instanceof ChatError && (error.status >= 500 || isLost(error));
        if (!passing || !this.#host.client().resumes) throw error;
        lost = error;
      }
    }
  }

  async #pause(operation: Operation, lost: ChatError): Promise<void> {
    let seconds: number | null = OFFLINE_PAUSE;
    const online = this.#host.online();
    if (online) seconds = pauseBefore(operation.attempts++);
    if (seconds === null) throw lost;
    if (lost.status !== BUSY) this.set({ connection: online ? "lost" : "offline" });
    await this.#host.pause(seconds, operation.signal);
  }

  async #follow(operation: Operation, lost: ChatError | null, shown?: () => void): Promise<void> {
    const client = this.#host.client();
    const { threadId } = this.state;
    while (threadId !== null) {
      // Asked first, so that what is read then is what the turn has left, if it is over.
      const turn = await client.takeUp(threadId, operation.signal).catch((error: unknown): Turn => {
        if (lost) throw error;
        return { running: false, end: "unknown" };
      });
      try {
        // A server without resume has ended the answer, and may have nothing of it.
        if (lost && !turn.running && turn.end === "unknown") throw lost;
        const loaded = await loadThread(client, threadId, operation.signal);
        if (!this.is(operation)) return;
        this.#showTurn(turn, reloaded(this.state.thread, loaded));
        shown?.();
        if (!turn.running) return;
        this.#start(operation);
        const some = await this.#read(turn.events, operation);
        if (!some || !this.is(operation) || this.state.failure) return;
      } finally {
        if (turn.running) turn.close();
      }
    }
  }

  #showTurn(turn: Turn, thread: ThreadState): void {
    const { phase, failure } = this.state;
    const next = turn.running ? "answering" : phase === "loading" ? "idle" : phase;
    this.set({ thread, connection: "up", phase: next });
    // How the last turn ended says nothing about a message that is still to be sent.
    if (thread.items.some(isLocal)) return;
    if (turn.running || turn.end === "completed" || turn.end === "none") {
      this.set({ stopped: false, failure: null });
    } else if (turn.end === "stopped") {
      this.set({ stopped: true, failure: null });
    } else if (turn.end !== "unknown" && failure?.during !== "answer") {
      const error = new ChatError(null, { status: 200, code: turn.end, allowRetry: true });
      this.set({ stopped: false, failure: { error, during: "answer" } });
    }
  }

  async #stopTurn(threadId: string, operation: Operation): Promise<void> {
    let heard = false;
    try {
      heard = await this.#host.client().stop(threadId, operation.signal);
    } catch (error) {
      if (this.is(operation)) this.#host.emit("error", { error: asChatError(error) });
    }
    if (this.is(operation)) this.#halt();
    if (!heard) return;
    this.#host.tell(threadId);
    // What the server has kept may be a few words more.
    if (this.state.threadId === threadId) this.refresh();
  }

  #halt(): void {
    this.abandon();
    const thread = { ...this.state.thread, progress: null };
    this.set({ phase: "idle", stopped: true, connection: "up", thread });
  }

  #start(operation: Operation): void {
    if (operation.started) return;
    operation.started = true;
    this.#host.emit("response.start", undefined);
    if (operation.own) this.#tell();
  }

  #tell(): void {
    if (this.state.threadId !== null) this.#host.tell(this.state.threadId);
  }

  /** The request that hands the server what its client tool call gave, if it waits for one. */
  async #runTool(operation: Operation): Promise<StreamRequest | null> {
    const { threadId, thread, failure } = this.state;
    const { own, stopping } = operation;
    const call = failure || stopping || !own ? null : pendingToolCall(thread);
    if (!call || threadId === null || !this.#host.runTool) return null;
    if (operation.claimed?.callId !== call.id) {
      operation.claimed?.release();
      const release = await this.#host.claim?.(call.id);
      operation.claimed = release ? { callId: call.id, release } : null;
      // The reader may have gone elsewhere, or stopped it.
      if (!this.is(operation) || operation.stopping) return null;
    }
    const called = { name: call.name, params: call.arguments ?? {} };
    const result = (await this.#host.runTool(called)) ?? {};
    if (!this.is(operation)) return null;
    const done = { ...call, status: "completed" as const, output: result };
    this.take({ type: "thread.item.replaced", item: done });
    const params = { thread_id: threadId, result };
    return { type: "threads.add_client_tool_output", params };
  }
}

/**
 * Whether a question has to wait for an answer that another tab has asked for; or has arrived before,
 * since a browser may send a request again by itself when it loses a connection.
 */
function isBusy(error: unknown, { type }: StreamRequest): error is ChatError {
  return (
    error instanceof ChatError &&
    error.status === BUSY &&
    error.code === "busy" &&
    type === "threads.add_user_message"
  );
}

function idsOf({ items }: ThreadState): string {
  return items.map(({ id }) => id).join();
}

/** The items that the server knows. */
export function confirmed(items: readonly ThreadItem[]): ThreadItem[] {
  return items.filter((item) => !isLocal(item));
}
