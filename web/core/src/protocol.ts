/**
 * What goes over the wire. Every field that a server may leave out is optional here: `exclude_none`
 * drops empty ones, and servers of other versions send more or less.
 */

export interface PageContext {
  url: string;
  title?: string;
  heading?: string;
  version?: string;
  locale?: string;
}

export interface Page<T> {
  data: T[];
  has_more?: boolean;
  after?: string | null;
}

export type ThreadStatus =
  { type: "active" } | { type: "locked" | "closed"; reason?: string | null };

export interface ThreadMetadata {
  id: string;
  title?: string | null;
  created_at?: string;
  status?: ThreadStatus;
  /** Hosts whose images may be loaded; images of other hosts stay links. */
  allowed_image_domains?: string[] | null;
}

export interface Thread extends ThreadMetadata {
  items?: Page<ThreadItem>;
}

interface SourceBase {
  title?: string;
  description?: string | null;
  group?: string | null;
}

export interface URLSource extends SourceBase {
  type: "url";
  url: string;
  attribution?: string | null;
}

export interface FileSource extends SourceBase {
  type: "file";
  filename: string;
}

export interface EntitySource extends SourceBase {
  type: "entity";
  id: string;
  inline_label?: string | null;
  interactive?: boolean;
  data?: Record<string, unknown>;
}

export type Source = URLSource | FileSource | EntitySource;

export interface Annotation {
  type: "annotation";
  source: Source;
  /** A position in the text, counted in code points. */
  index?: number | null;
}

export interface AssistantContent {
  type: "output_text";
  text: string;
  annotations: Annotation[];
}

export type UserContent =
  | { type: "input_text"; text: string }
  | {
      type: "input_tag";
      id: string;
      text: string;
      data?: Record<string, unknown>;
      group?: string;
      interactive?: boolean;
    };

export interface InferenceOptions {
  tool_choice?: { id: string };
  model?: string;
}

export interface UserInput {
  content: UserContent[];
  attachments: string[];
  quoted_text?: string;
  inference_options: InferenceOptions;
}

export interface Task {
  type: string;
  status_indicator?: "none" | "loading" | "complete";
  title?: string | null;
  content?: string | null;
  title_query?: string | null;
  queries?: string[];
  sources?: Source[];
}

export interface Workflow {
  type?: string;
  tasks: Task[];
  summary?: { title?: string; duration?: number } | null;
  expanded?: boolean;
}

interface ItemBase {
  id: string;
  thread_id?: string;
  created_at?: string;
}

export interface UserMessageItem extends ItemBase {
  type: "user_message";
  content: UserContent[];
  quoted_text?: string | null;
}

export interface AssistantMessageItem extends ItemBase {
  type: "assistant_message";
  content: AssistantContent[];
}

export interface ClientToolCallItem extends ItemBase {
  type: "client_tool_call";
  status?: "pending" | "completed";
  name: string;
  arguments?: Record<string, unknown>;
}

export interface WorkflowItem extends ItemBase {
  type: "workflow";
  workflow: Workflow;
}

export interface TaskItem extends ItemBase {
  type: "task";
  task: Task;
}

export interface EndOfTurnItem extends ItemBase {
  type: "end_of_turn";
}

export type ThreadItem =
  | UserMessageItem
  | AssistantMessageItem
  | ClientToolCallItem
  | WorkflowItem
  | TaskItem
  | EndOfTurnItem;

export type ItemUpdate =
  | {
      type: "assistant_message.content_part.added" | "assistant_message.content_part.done";
      content_index?: number;
      content?: Partial<AssistantContent>;
    }
  | {
      type: "assistant_message.content_part.text_delta";
      content_index?: number;
      delta?: string;
    }
  | {
      type: "assistant_message.content_part.annotation_added";
      content_index?: number;
      annotation_index?: number;
      annotation: Annotation;
    }
  | {
      type: "workflow.task.added" | "workflow.task.updated";
      task_index?: number;
      task: Task;
    };

export interface Notice {
  level: "info" | "warning" | "danger";
  message: string;
  title?: string | null;
}

export type StreamEvent =
  | { type: "thread.created" | "thread.updated"; thread: Thread }
  | { type: "thread.item.added" | "thread.item.done" | "thread.item.replaced"; item: ThreadItem }
  | { type: "thread.item.updated"; item_id: string; update: ItemUpdate }
  | { type: "thread.item.removed"; item_id: string }
  | { type: "stream_options"; stream_options?: { allow_cancel?: boolean } }
  | { type: "progress_update"; text?: string; icon?: string | null }
  | { type: "client_effect"; name: string; data?: Record<string, unknown> }
  | { type: "error"; code?: string; message?: string | null; allow_retry?: boolean }
  | ({ type: "notice" } & Notice);

export type StreamRequest =
  | { type: "threads.create"; params: { input: UserInput } }
  | { type: "threads.add_user_message"; params: { thread_id: string; input: UserInput } }
  | { type: "threads.add_client_tool_output"; params: { thread_id: string; result: unknown } }
  | { type: "threads.retry_after_item"; params: { thread_id: string; item_id: string } }
  | {
      type: "threads.custom_action";
      params: {
        thread_id: string;
        item_id?: string;
        action: { type: string; payload?: Record<string, unknown> };
      };
    };

interface PageParams {
  limit?: number;
  order?: "asc" | "desc";
  after?: string;
}

/** What each request without a stream takes and gives. */
export interface Calls {
  "threads.get_by_id": [{ thread_id: string }, Thread];
  "threads.list": [PageParams, Page<Thread>];
  "items.list": [PageParams & { thread_id: string }, Page<ThreadItem>];
  "threads.update": [{ thread_id: string; title: string }, Thread];
  "threads.delete": [{ thread_id: string }, unknown];
  "items.feedback": [
    { thread_id: string; item_ids: string[]; kind: "positive" | "negative" },
    unknown,
  ];
}
