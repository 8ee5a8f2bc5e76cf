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
  timestamp?: string | null;
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
  icon?: string | null;
  label?: string | null;
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
  icon?: string | null;
  content?: string | null;
  title_query?: string | null;
  queries?: string[];
  sources?: Source[];
}

export interface Workflow {
  type?: string;
  tasks: Task[];
  summary?: { title?: string; icon?: string | null; duration?: number } | null;
  expanded?: boolean;
}

/** A file that goes with a message; its bytes go to where the descriptor says. */
export interface Attachment {
  type: "file" | "image";
  id: string;
  name: string;
  mime_type: string;
  preview_url?: string | null;
  upload_descriptor?: {
    url: string;
    method: "POST" | "PUT";
    headers?: Record<string, string>;
  } | null;
}

/** A piece of a widget, with the properties of its type. */
export interface WidgetNode {
  type: string;
  id?: string | null;
  key?: string | null;
  children?: WidgetNode | WidgetNode[] | null;
  [property: string]: unknown;
}

export interface WidgetAction {
  type: string;
  payload?: Record<string, unknown>;
}

export interface GeneratedImage {
  id: string;
  url: string;
}

export interface StructuredAnswer {
  values?: string[];
  skipped?: boolean;
}

/** One question of a form. */
export interface StructuredInput {
  type: "multiple_choice" | "freeform";
  id: string;
  question: string;
  answer?: StructuredAnswer | null;
  options?: { value: string }[];
  multiple?: boolean;
  description?: string | null;
}

export interface StructuredSubmission {
  status: "answered" | "skipped";
  answers: Record<string, StructuredAnswer>;
}

interface ItemBase {
  id: string;
  thread_id?: string;
  created_at?: string;
}

export interface UserMessageItem extends ItemBase {
  type: "user_message";
  content: UserContent[];
  attachments?: Attachment[];
  quoted_text?: string | null;
  inference_options?: InferenceOptions;
}

export interface AssistantMessageItem extends ItemBase {
  type: "assistant_message";
  content: AssistantContent[];
}

export interface ClientToolCallItem extends ItemBase {
  type: "client_tool_call";
  status?: "pending" | "completed";
  call_id?: string;
  name: string;
  arguments?: Record<string, unknown>;
  output?: unknown;
}

export interface WidgetItem extends ItemBase {
  type: "widget";
  widget: WidgetNode;
  copy_text?: string | null;
}

export interface GeneratedImageItem extends ItemBase {
  type: "generated_image";
  image?: GeneratedImage | null;
  /** How much of it is there, from 0 to 1, as long as it is being made; never stored. */
  progress?: number | null;
}

export interface StructuredInputItem extends ItemBase {
  type: "structured_input";
  status?: "pending" | "answered" | "skipped";
  inputs: StructuredInput[];
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

/** Not for readers; a server should keep it to itself. */
export interface HiddenItem extends ItemBase {
  type: "hidden_context_item" | "sdk_hidden_context";
}

export type ThreadItem =
  | UserMessageItem
  | AssistantMessageItem
  | ClientToolCallItem
  | WidgetItem
  | GeneratedImageItem
  | StructuredInputItem
  | WorkflowItem
  | TaskItem
  | EndOfTurnItem
  | HiddenItem;

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
    }
  | { type: "widget.root.updated"; widget: WidgetNode }
  | { type: "widget.component.updated"; component_id: string; component: WidgetNode }
  | {
      type: "widget.streaming_text.value_delta";
      component_id: string;
      delta?: string;
      done?: boolean;
    }
  | { type: "generated_image.updated"; image: GeneratedImage; progress?: number | null };

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
      params: ActionParams;
    }
  | {
      type: "threads.add_structured_input";
      params: { thread_id: string; item_id: string; input: StructuredSubmission };
    };

interface ActionParams {
  thread_id: string;
  item_id?: string;
  action: WidgetAction;
}

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
  "threads.sync_custom_action": [ActionParams, { updated_item?: ThreadItem | null }];
  "attachments.create": [{ name: string; size: number; mime_type: string }, Attachment];
  "attachments.delete": [{ attachment_id: string }, unknown];
  "input.transcribe": [{ audio_base64: string; mime_type: string }, { text: string }];
}
