/** The reader's earlier chats. */

import type { Chat, HistoryState, ThreadMetadata } from "@docs-chatkit/core";
import { useEffect, useRef, useState } from "preact/hooks";

import { wordsOf } from "./boxes.js";
import { Icon } from "./icons.js";
import { locale, strings } from "./strings.js";

interface HistoryProps {
  chat: Chat;
  state: HistoryState;
  current: string | null;
  canDelete: boolean;
  onOpen: (threadId: string) => void;
}

export function History({ chat, state, current, canDelete, onOpen }: HistoryProps) {
  const { threads, loading, error, after } = state;
  const [asking, setAsking] = useState<string | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <div class="history">
      <div class="column">
        <h2 ref={heading} tabIndex={-1}>
          {strings.yourChats}
        </h2>
        {error !== null && (
          <div class="box danger" role="alert">
            <Icon name="alert" />
            <div>
              <p>{wordsOf(error)}</p>
              <button
                type="button"
                class="text-button"
                onClick={() => void chat.history.loadMore()}
              >
                {strings.tryAgain}
              </button>
            </div>
          </div>
        )}
        {!loading && error === null && threads.length === 0 && (
          <div class="empty">
            <Icon name="history" />
            <p>{strings.noChats}</p>
            <p class="hint">{strings.noChatsHint}</p>
          </div>
        )}
        <ul aria-busy={loading}>
          {threads.map((thread) => (
            <li key={thread.id} class={thread.id === current ? "current" : undefined}>
              {asking === thread.id ? (
                <Confirm
                  title={titleOf(thread)}
                  onCancel={() => setAsking(null)}
                  onConfirm={() => {
                    void chat.deleteThread(thread.id).then(() => heading.current?.focus());
                  }}
                />
              ) : (
                <>
                  <button
                    type="button"
                    class="thread"
                    aria-current={thread.id === current ? "true" : undefined}
                    onClick={() => onOpen(thread.id)}
                  >
                    <span class="title">{titleOf(thread)}</span>
                    <span class="date">{dateOf(thread)}</span>
                  </button>
                  {canDelete && (
                    <button
                      type="button"
                      class="icon-button small"
                      aria-label={strings.deleteChat(titleOf(thread))}
                      onClick={() => setAsking(thread.id)}
                    >
                      <Icon name="trash" />
                    </button>
                  )}
                </>
              )}
            </li>
          ))}
        </ul>
        {loading && <Skeleton lines={3} />}
        {!loading && after !== null && (
          <button
            type="button"
            class="text-button more"
            onClick={() => void chat.history.loadMore()}
          >
            {strings.loadMore}
          </button>
        )}
      </div>
    </div>
  );
}

interface ConfirmProps {
  title: string;
  onConfirm: () => void;
  onCancel: () => void;
}

function Confirm({ title, onConfirm, onCancel }: ConfirmProps) {
  const cancel = useRef<HTMLButtonElement>(null);
  useEffect(() => cancel.current?.focus(), []);
  return (
    <div class="confirm" role="group" aria-label={strings.reallyDelete(title)}>
      <span>{strings.reallyDelete(title)}</span>
      <button ref={cancel} type="button" class="text-button" onClick={onCancel}>
        {strings.cancel}
      </button>
      <button type="button" class="text-button danger" onClick={onConfirm}>
        {strings.delete}
      </button>
    </div>
  );
}

export function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

function titleOf(thread: ThreadMetadata): string {
  return thread.title || strings.untitled;
}

function dateOf(thread: ThreadMetadata): string {
  const date = new Date(thread.created_at ?? NaN);
  if (Number.isNaN(date.getTime())) return "";
  const today = date.toDateString() === new Date().toDateString();
  const format: Intl.DateTimeFormatOptions = today
    ? { timeStyle: "short" }
    : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(locale, format).format(date);
}
