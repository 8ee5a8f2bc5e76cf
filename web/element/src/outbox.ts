/** What is in the composer, and everything that happens to it. */

import type { Attachment, ChatClient, Message } from "@docs-chatkit/core";
import type { CustomApiConfig, OpenAIChatKit } from "@openai/chatkit";

import type { ComposerActions } from "./composer.js";
import {
  canSend,
  contentOf,
  type Draft,
  type DraftChange,
  type DraftFile,
  draftOf,
  EMPTY_DRAFT,
  modelOf,
} from "./draft.js";
import type { DocsChatKitOptions } from "./options.js";
import type { UploadHost } from "./uploads.js";

type ComposerParams = Parameters<OpenAIChatKit["setComposerValue"]>[0];

interface OutboxHost {
  options: () => DocsChatKitOptions | null;
  client: () => ChatClient;
  send: (message: Message) => Promise<void>;
  stop: () => void;
  changed: () => void;
  toolChanged: (toolId: string | null) => void;
  failed: (error: unknown) => void;
}

export class Outbox implements ComposerActions {
  draft: Draft = EMPTY_DRAFT;
  readonly #host: OutboxHost;
  #sent: { message: Message; draft: Draft } | null = null;

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  async set(params: ComposerParams): Promise<void> {
    const { text, content, reply, attachments, files, selectedToolId, selectedModelId } = params;
    if (content) this.onChange(draftOf(content));
    if (text !== undefined) this.onChange({ text, tags: [] });
    if (reply !== undefined) this.onChange({ quote: reply || null });
    if (selectedModelId !== undefined) this.onChange({ modelId: selectedModelId });
    if (selectedToolId !== undefined) this.onTool(selectedToolId);
    if (attachments) {
      this.onChange({ files: attachments.map(asFile) });
    }
    if (files) await this.#attach(files);
  }

  /** The tool and the model that the next message asks for. */
  choices(): Pick<Message, "toolId" | "model"> {
    const model = modelOf(this.#host.options()?.composer?.models, this.draft.modelId);
    const { toolId } = this.draft;
    return { ...(toolId !== null && { toolId }), ...(model !== null && { model }) };
  }

  /** For the reader to edit what the server refused, unless something new is there already. */
  giveBack(message: Message): void {
    const { text, files } = this.draft;
    if (text !== "" || files.length > 0) return;
    const { content, quotedText, attachments = [] } = message;
    if (this.#sent?.message === message) {
      const { text, tags, quote, files } = this.#sent.draft;
      this.onChange({ text, tags, quote, files });
    } else {
      const files = attachments.map(asFile);
      this.onChange({ ...draftOf(content), quote: quotedText ?? null, files });
    }
  }

  readonly onChange = (change: DraftChange): void => {
    const changed = typeof change === "function" ? change(this.draft) : change;
    this.draft = { ...this.draft, ...changed };
    this.#host.changed();
  };

  readonly onTool = (toolId: string | null): void => {
    if (toolId === this.draft.toolId) return;
    this.onChange({ toolId });
    this.#host.toolChanged(toolId);
  };

  readonly onSend = (): boolean => {
    const { draft } = this;
    // Asked of the draft itself: what was typed or sent just now is not painted yet.
    if (!canSend(draft)) return false;
    const attachments = draft.files.flatMap(({ attachment }) => attachment ?? []);
    const message: Message = {
      content: contentOf(draft),
      ...(attachments.length > 0 && { attachments }),
      ...(draft.quote !== null && { quotedText: draft.quote }),
      ...this.choices(),
    };
    this.#sent = { message, draft };
    const tool = this.#host.options()?.composer?.tools?.find(({ id }) => id === draft.toolId);
    this.onChange({ text: "", tags: [], quote: null, files: [], problems: [] });
    if (!tool?.persistent) this.onTool(null);
    this.#host.send(message).catch((error: unknown) => {
      this.giveBack(message);
      this.#host.failed(error);
    });
    return true;
  };

  readonly onStop = (): void => {
    this.#host.stop();
  };

  readonly onAttach = (files: readonly File[]): void => {
    this.#attach(files).catch(this.onError);
  };

  readonly onDetach = (key: string): void => {
    import("./uploads.js").then(({ detach }) => {
      detach(key, this.#uploadHost());
    }, this.onError);
  };

  readonly onError = (error: unknown): void => {
    this.#host.failed(error);
  };

  readonly transcribe = async (recording: Blob): Promise<string> => {
    const { toBase64 } = await import("./dictation.js");
    const params = { audio_base64: await toBase64(recording), mime_type: recording.type };
    const { text } = await this.#host.client().call("input.transcribe", params);
    return text.trim();
  };

  async #attach(files: readonly File[]): Promise<void> {
    const { attach } = await import("./uploads.js");
    await attach(files, this.#uploadHost());
  }

  #uploadHost(): UploadHost {
    const options = this.#host.options();
    return {
      client: this.#host.client(),
      api: options?.api as CustomApiConfig,
      rules: options?.composer?.attachments,
      files: () => this.draft.files,
      change: this.onChange,
      failed: this.onError,
    };
  }
}

/** A file that is on the server already. */
function asFile(attachment: Attachment): DraftFile {
  return { key: attachment.id, name: attachment.name, progress: 1, attachment, upload: null };
}
