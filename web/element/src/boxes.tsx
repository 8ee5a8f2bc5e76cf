/** What went wrong and what the server wants known, between the messages. */

import {
  type Chat,
  ChatError,
  describeFailure,
  type Failure,
  type Notice,
} from "@docs-chatkit/core";
import type { ComponentChildren } from "preact";

import { Icon } from "./icons.js";
import { strings } from "./strings.js";

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

/** A server's own words stay as they are; ours are said in the page's language. */
export function wordsOf(error: Error): string {
  const generic = error instanceof ChatError && error.generic;
  return generic ? describeFailure(error.status, strings.failures) : error.message;
}
