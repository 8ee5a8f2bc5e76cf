/** Asks again before something is deleted, in the place where that was asked for. */

import { useLayoutEffect, useRef } from "preact/hooks";

import { later } from "./later.js";
import { isComposing } from "./page/composing.js";

interface ConfirmProps {
  question: string;
  onConfirm: () => void;
  onCancel: () => void;
}

export function Confirm({ question, onConfirm, onCancel }: ConfirmProps) {
  const cancel = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => cancel.current?.focus(), []);
  return (
    <div class="confirm" role="group" aria-label={question} onKeyDown={atEscape(onCancel)}>
      <span>{question}</span>
      <button ref={cancel} type="button" class="text-button" onClick={onCancel}>
        {later().cancel}
      </button>
      <button type="button" class="text-button danger" onClick={onConfirm}>
        {later().delete}
      </button>
    </div>
  );
}

/** Ends what is asked, and not the whole list. */
export function atEscape(onCancel: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key !== "Escape" || isComposing(event)) return;
    event.preventDefault();
    event.stopPropagation();
    onCancel();
  };
}
