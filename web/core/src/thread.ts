/** The state of one thread, and how each stream event changes it. */

import type {
  AssistantContent,
  AssistantMessageItem,
  ItemUpdate,
  Notice,
  StreamEvent,
  StructuredInputItem,
  Thread,
  ThreadItem,
  ThreadMetadata,
  UserMessageItem,
  WidgetNode,
  Workflow,
} from "./protocol.js";
import { appendText, replaceComponent } from "./widget.js";

export interface Progress {
  readonly text: string;
  readonly icon: string | null;
}

export interface ThreadState {
  readonly thread: ThreadMetadata | null;
  readonly items: readonly ThreadItem[];
  /** What the server says it is doing, until the next text. */
  readonly progress: Progress | null;
  /** Shown below the item that was last when they came. */
  readonly notices: readonly (Notice & { afterItem: string | null })[];
  readonly allowCancel: boolean;
}

export const EMPTY_THREAD: ThreadState = {
  thread: null,
  items: [],
  progress: null,
  notices: [],
  allowCancel: true,
};

/** Ids of messages that the server has not confirmed yet begin like this. */
export const LOCAL_PREFIX = "local:";

/** The same object comes back for an event that changes nothing, unknown types included. */
export function applyEvent(state: ThreadState, event: StreamEvent): ThreadState {
  switch (event.type) {
    case "thread.created":
    case "thread.updated":
      return { ...state, thread: metadataOf(event.thread) };
    case "thread.item.added":
    case "thread.item.done":
    case "thread.item.replaced":
      // Hidden items are no reader's business, and must not stand where the last item is asked for.
      if (isHidden(event.item)) return state;
      return { ...state, progress: null, items: putItem(state.items, normalize(event.item)) };
    case "thread.item.updated":
      return updateItem(state, event.item_id, event.update);
    case "thread.item.removed":
      return { ...state, items: state.items.filter((item) => item.id !== event.item_id) };
    case "stream_options":
      return { ...state, allowCancel: event.stream_options?.allow_cancel ?? true };
    case "progress_update": {
      const { text, icon = null } = event;
      return { ...state, progress: text ? { text, icon } : null };
    }
    case "notice": {
      const { level, message, title } = event;
      const notice = { level, message, title, afterItem: state.items.at(-1)?.id ?? null };
      return { ...state, notices: [...state.notices, notice] };
    }
    default:
      return state;
  }
}

/** The thread as `threads.get_by_id` gives it, with the items of all its pages. */
export function loadedThread(thread: Thread, items: readonly ThreadItem[]): ThreadState {
  const visible = items.filter((item) => !isHidden(item));
  return { ...EMPTY_THREAD, thread: metadataOf(thread), items: visible.map(normalize) };
}

/** The call of a client tool that the server waits for, if any. */
export function pendingToolCall(state: ThreadState) {
  const last = state.items.at(-1);
  return last?.type === "client_tool_call" && last.status !== "completed" ? last : null;
}

function metadataOf(thread: Thread): ThreadMetadata {
  const { id, title, created_at, status, allowed_image_domains } = thread;
  return { id, title, created_at, status, allowed_image_domains };
}

function putItem(items: readonly ThreadItem[], item: ThreadItem): readonly ThreadItem[] {
  let at = items.findIndex((other) => other.id === item.id);
  if (at < 0 && item.type === "user_message") at = items.findLastIndex(isLocal);
  return at < 0 ? [...items, item] : items.with(at, item);
}

function isHidden(item: ThreadItem): boolean {
  return item.type === "hidden_context_item" || item.type === "sdk_hidden_context";
}

/** Whether the server has not confirmed the message yet. */
export function isLocal(item: ThreadItem): boolean {
  return item.id.startsWith(LOCAL_PREFIX);
}

/** Gives every part of an item the fields that the rest of the code reads. */
function normalize(item: ThreadItem): ThreadItem {
  switch (item.type) {
    case "assistant_message":
      return { ...item, content: parts(item).map(normalizePart) };
    case "user_message":
      return { ...item, content: (item as Partial<UserMessageItem>).content ?? [] };
    case "workflow": {
      const { tasks = [] } = item.workflow as Partial<Workflow>;
      return { ...item, workflow: { ...item.workflow, tasks } };
    }
    case "structured_input":
      return { ...item, inputs: (item as Partial<StructuredInputItem>).inputs ?? [] };
    default:
      return item;
  }
}

function parts(item: AssistantMessageItem): Partial<AssistantContent>[] {
  return (item as Partial<AssistantMessageItem>).content ?? [];
}

function normalizePart(part: Partial<AssistantContent>): AssistantContent {
  return {
    type: "output_text",
    text: part.text ?? "",
    annotations: part.annotations ?? [],
  };
}

function updateItem(state: ThreadState, id: string, update: ItemUpdate): ThreadState {
  const at = state.items.findIndex((item) => item.id === id);
  const item = state.items[at];
  if (!item) return state;
  const changed = updated(item, update);
  if (changed === item) return state;
  return { ...state, progress: null, items: state.items.with(at, changed) };
}

function updated(item: ThreadItem, update: ItemUpdate): ThreadItem {
  switch (update.type) {
    case "assistant_message.content_part.added":
    case "assistant_message.content_part.done":
      return withPart(item, update.content_index, (part) => {
        const next = normalizePart(update.content ?? {});
        // Deltas may come before `added`, and a `done` without annotations must not wipe those
        // that came one by one.
        return {
          ...next,
          text: next.text || part.text,
          annotations: next.annotations.length > 0 ? next.annotations : part.annotations,
        };
      });
    case "assistant_message.content_part.text_delta":
      return withPart(item, update.content_index, (part) => ({
        ...part,
        text: part.text + (update.delta ?? ""),
      }));
    case "assistant_message.content_part.annotation_added":
      return withPart(item, update.content_index, (part) => {
        // Put between the others, as the server does with what it keeps of an answer that was left.
        const at = update.annotation_index ?? part.annotations.length;
        return { ...part, annotations: part.annotations.toSpliced(at, 0, update.annotation) };
      });
    case "workflow.task.added":
    case "workflow.task.updated": {
      if (item.type !== "workflow") return item;
      const tasks = [...item.workflow.tasks];
      // An `added` workflow may already hold a task that is then announced again.
      tasks[Math.min(update.task_index ?? tasks.length, tasks.length)] = update.task;
      return { ...item, workflow: { ...item.workflow, tasks } };
    }
    case "widget.root.updated":
      return withWidget(item, () => update.widget);
    case "widget.component.updated":
      return withWidget(item, (root) =>
        replaceComponent(root, update.component_id, update.component),
      );
    case "widget.streaming_text.value_delta":
      return withWidget(item, (root) => appendText(root, update.component_id, update));
    case "generated_image.updated": {
      if (item.type !== "generated_image") return item;
      const { image, progress } = update;
      return { ...item, image, progress };
    }
    default:
      return item;
  }
}

function withWidget(item: ThreadItem, change: (root: WidgetNode) => WidgetNode): ThreadItem {
  if (item.type !== "widget") return item;
  const widget = change(item.widget);
  return widget === item.widget ? item : { ...item, widget };
}

function withPart(
  item: ThreadItem,
  index = 0,
  change: (part: AssistantContent) => AssistantContent,
): ThreadItem {
  if (item.type !== "assistant_message") return item;
  const content = [...item.content];
  while (content.length <= index) content.push(normalizePart({}));
  content[index] = change(content[index] ?? normalizePart({}));
  return { ...item, content };
}
