/** What went wrong, what the server wants known, and what is still being loaded. */

import type { Chat, Failure, Notice } from "@docs-chatkit/core";
import type { ComponentChildren } from "preact";

import { Icon } from "./icons.js";
import { strings, wordsOf } from "./strings.js";

export function FailureBox({ chat, failure }: { chat: Chat; failure: Failure }) {
  const { error } = failure;
  const wait = error.retryAfter === undefined ? null : Math.ceil(error.retryAfter);
  return (
    <div class="box danger" role="alert">
      <Icon name="alert" />
      <div>
        <p>
          {wordsOf(error)}
          {wait !== null && wait > 0 && ` ${strings.tryAgainIn(wait)}`}
        </p>
        {error.allowRetry && (
          <button type="button" class="text-button" onClick={() => void chat.tryAgain()}>
            {strings.tryAgain}
          </button>
        )}
        {error.status === 404 && failure.during === "answer" && (
          <button type="button" class="text-button" onClick={() => void chat.open(null)}>
            {strings.newChat}
          </button>
        )}
      </div>
    </div>
  );
}

interface NoticeBoxProps {
  level: Notice["level"];
  title: string | null | undefined;
  children: ComponentChildren;
}

export function NoticeBox({ level, title, children }: NoticeBoxProps) {
  return (
    <div class={`box ${level}`} role="note">
      <Icon name={level === "info" ? "info" : "alert"} />
      <div>
        {title && <p class="box-title">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** Stands where something is being loaded. */
export function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}
