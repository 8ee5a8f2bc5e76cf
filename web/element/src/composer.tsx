/** Where the reader writes. */

import { useCallback, useLayoutEffect, useRef } from "preact/hooks";

import { canSend, type Draft, type DraftChange, moveTags } from "./draft.js";
import { Icon } from "./icons.js";
import { lazy } from "./lazy.js";
import type { DocsChatKitOptions } from "./options.js";
import { isComposing } from "./page/composing.js";
import { strings } from "./strings.js";

const Attachments = lazy(() => import("./attachments.js").then((parts) => parts.Attachments));
const Suggestions = lazy(() => import("./suggestions.js").then((parts) => parts.Suggestions));
const Toolbar = lazy(() => import("./toolbar.js").then((parts) => parts.Toolbar));

/** What the composer may do with the draft; the element does it. */
export interface ComposerActions {
  onChange: (change: DraftChange) => void;
  onTool: (toolId: string | null) => void;
  onAttach: (files: readonly File[]) => void;
  onDetach: (key: string) => void;
  transcribe: (recording: Blob) => Promise<string>;
  /** Whether there was something to send. */
  onSend: () => boolean;
  onStop: () => void;
  onError: (error: unknown) => void;
}

/** What the parts that are loaded later work on. */
export interface ComposerPartProps {
  draft: Draft;
  options: DocsChatKitOptions;
  actions: ComposerActions;
  /** Asked when something happens: the field is there by then. */
  area: () => HTMLTextAreaElement;
}

interface ComposerProps {
  draft: Draft;
  options: DocsChatKitOptions;
  actions: ComposerActions;
  answering: boolean;
  canStop: boolean;
  /** Nothing can be sent, as while a thread is loading. */
  disabled: boolean;
}

export function Composer({ draft, options, actions, answering, canStop, disabled }: ComposerProps) {
  const { onChange, onSend, onStop } = actions;
  const { composer = {}, entities, commands } = options;
  const field = useRef<HTMLTextAreaElement>(null);
  const fit = () => {
    if (!field.current) return;
    const { style } = field.current;
    style.height = "auto";
    // Nothing has a height in a chat that is not shown yet.
    if (field.current.scrollHeight > 0) style.height = `${field.current.scrollHeight}px`;
  };
  useLayoutEffect(fit, [draft.text]);
  const area = useCallback(() => field.current as HTMLTextAreaElement, []);
  const focus = () => area().focus();
  const free = !disabled && !answering;
  const send = () => {
    // At once: the next message may begin before this one is painted.
    if (free && onSend()) area().value = "";
  };
  const part = { draft, options, actions, area };
  const takesFiles = composer.attachments?.enabled === true;
  const hasTools =
    takesFiles ||
    composer.dictation?.enabled === true ||
    Boolean(composer.tools?.length) ||
    Boolean(composer.models?.length) ||
    (entities?.showComposerMenu === true && Boolean(entities.onTagSearch));
  const tool = composer.tools?.find(({ id }) => id === draft.toolId);
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
        focus();
      }}
    >
      {draft.quote !== null && (
        <div class="quote">
          <span dir="auto">{draft.quote}</span>
          <button
            type="button"
            class="icon-button small"
            aria-label={strings.removeQuote}
            onClick={() => {
              onChange({ quote: null });
              focus();
            }}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
      {(takesFiles || draft.files.length > 0 || draft.problems.length > 0) && (
        <Attachments {...part} />
      )}
      <div class={hasTools ? "field tall" : "field"}>
        <div class="text">
          {(entities?.onTagSearch || commands?.enabled || draft.tags.length > 0) && (
            <Suggestions {...part} />
          )}
          <textarea
            ref={field}
            rows={1}
            // An empty field is not of the page's direction by itself.
            dir={draft.text ? "auto" : undefined}
            value={draft.text}
            placeholder={tool?.placeholderOverride ?? composer.placeholder ?? strings.placeholder}
            aria-label={strings.message}
            // What the key does, where it is on a screen and there is no Shift to it.
            enterkeyhint="send"
            onInput={({ currentTarget: { value, selectionEnd } }) =>
              onChange(({ text, tags }) => ({
                text: value,
                tags: moveTags(tags, text, value, selectionEnd),
              }))
            }
            onFocus={fit}
            onKeyDown={(event) => {
              // Enter also ends the composition of a Japanese or Chinese word.
              if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
              event.preventDefault();
              send();
            }}
          />
        </div>
        {hasTools && <Toolbar {...part} placeholder={<span class="spring" />} />}
        {answering ? (
          <button
            type="button"
            class="send"
            aria-label={strings.stop}
            title={strings.stop}
            disabled={!canStop}
            onClick={({ detail }) => {
              // The second click of a double click was meant for "send", which stood here.
              if (detail !== 2) onStop();
              focus();
            }}
          >
            <Icon name="stop" />
          </button>
        ) : (
          <button
            type="submit"
            class="send"
            aria-label={strings.send}
            title={strings.send}
            disabled={!free || !canSend(draft)}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
