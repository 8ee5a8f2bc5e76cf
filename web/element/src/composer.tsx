/** Where the reader writes. */

import type { ThreadStatus } from "@docs-chatkit/core";
import { useLayoutEffect, useRef } from "preact/hooks";

import { Icon } from "./icons.js";
import { strings } from "./strings.js";

export interface Draft {
  text: string;
  quote: string | null;
  toolId: string | null;
  modelId: string | null;
}

export const EMPTY_DRAFT: Draft = { text: "", quote: null, toolId: null, modelId: null };

interface ComposerProps {
  draft: Draft;
  placeholder: string | undefined;
  answering: boolean;
  canStop: boolean;
  /** Nothing can be sent, as while a thread is loading. */
  disabled: boolean;
  onChange: (change: Partial<Draft>) => void;
  onSend: () => void;
  onStop: () => void;
}

export function Composer(props: ComposerProps) {
  const { draft, answering, canStop, disabled, onChange, onSend, onStop } = props;
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    if (!area.current) return;
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight}px`;
  }, [draft.text]);
  const focus = () => area.current?.focus();
  const free = !disabled && !answering;
  const ready = free && draft.text.trim() !== "";
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onSend();
        focus();
      }}
    >
      {draft.quote !== null && (
        <div class="quote">
          <span>{draft.quote}</span>
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
      <div class="field">
        <textarea
          ref={area}
          rows={1}
          value={draft.text}
          placeholder={props.placeholder ?? strings.placeholder}
          aria-label={strings.message}
          onInput={(event) => onChange({ text: event.currentTarget.value })}
          onKeyDown={(event) => {
            // Enter also ends the composition of a Japanese or Chinese word.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            // Of the field itself: what was typed just now is not painted yet.
            if (free && event.currentTarget.value.trim() !== "") onSend();
          }}
        />
        {answering ? (
          <button
            type="button"
            class="send"
            aria-label={strings.stop}
            title={strings.stop}
            disabled={!canStop}
            onClick={() => {
              onStop();
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
            disabled={!ready}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}

/** Stands where the composer was when the server takes no more messages in a thread. */
export function ClosedNote({ status, onNew }: { status: ThreadStatus; onNew: () => void }) {
  const reason = status.type === "active" ? null : status.reason;
  return (
    <div class="closed">
      <p>{reason ?? strings.closed}</p>
      <button type="button" class="text-button" onClick={onNew}>
        {strings.newChat}
      </button>
    </div>
  );
}
