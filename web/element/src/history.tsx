/** The reader's earlier chats. */

import type { Chat, HistoryState, ThreadMetadata } from "@docs-chatkit/core";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { atEscape, Confirm } from "./confirm.js";
import { later } from "./later.js";
import { Icon, type IconName } from "./icons.js";
import css from "./history.css";
import { Personal } from "./personal.js";
import { useStyles } from "./sheet.js";
import { locale, strings, wordsOf } from "./strings.js";

const MAX_TITLE = 200;

interface HistoryProps {
  chat: Chat;
  state: HistoryState;
  current: string | null;
  canDelete: boolean;
  canRename: boolean;
  /** Stands where more chats will be. */
  skeleton: ComponentChildren;
  onOpen: (threadId: string) => void;
}

export function History({
  chat,
  state,
  current,
  canDelete,
  canRename,
  skeleton,
  onOpen,
}: HistoryProps) {
  const { threads, loading, error, after } = state;
  const [task, setTask] = useState<{ threadId: string; kind: "delete" | "rename" } | null>(null);
  const box = useStyles<HTMLDivElement>(css);
  const heading = useRef<HTMLHeadingElement>(null);
  const latest = useRef(task);
  latest.current = task;
  useLayoutEffect(() => heading.current?.focus(), []);
  const end = () => {
    setTask(null);
    heading.current?.focus();
  };
  /** When the server has done it; the reader may be at another chat by then. */
  const endIfCurrent = () => {
    if (latest.current === task) end();
  };
  return (
    <div class="history" ref={box}>
      <div class="column">
        <h2 ref={heading} tabIndex={-1}>
          {later().yourChats}
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
            <p>{later().noChats}</p>
            <p class="hint">{later().noChatsHint}</p>
          </div>
        )}
        <ul aria-busy={loading}>
          {threads.map((thread) => (
            <li key={thread.id} class={thread.id === current ? "current" : undefined}>
              {task?.threadId !== thread.id ? (
                <>
                  <button
                    type="button"
                    class="thread"
                    aria-current={thread.id === current ? "true" : undefined}
                    onClick={() => onOpen(thread.id)}
                  >
                    <span class="title" dir="auto">
                      {titleOf(thread)}
                    </span>
                    <span class="date">{dateOf(thread)}</span>
                  </button>
                  {canRename && (
                    <RowButton
                      icon="compose"
                      label={later().renameChat(titleOf(thread))}
                      onClick={() => setTask({ threadId: thread.id, kind: "rename" })}
                    />
                  )}
                  {canDelete && (
                    <RowButton
                      icon="trash"
                      label={later().deleteChat(titleOf(thread))}
                      onClick={() => setTask({ threadId: thread.id, kind: "delete" })}
                    />
                  )}
                </>
              ) : task.kind === "delete" ? (
                <Confirm
                  question={later().reallyDelete(titleOf(thread))}
                  onCancel={end}
                  onConfirm={() => {
                    void chat.deleteThread(thread.id).then(endIfCurrent);
                  }}
                />
              ) : (
                <Rename
                  title={thread.title ?? ""}
                  onCancel={end}
                  onSave={(title) => {
                    // A name that was refused stays in its field, to be tried again.
                    void chat.rename(thread.id, title).then((done) => done && endIfCurrent());
                  }}
                />
              )}
            </li>
          ))}
        </ul>
        {loading && skeleton}
        {!loading && after !== null && (
          <button
            type="button"
            class="text-button more"
            onClick={() => void chat.history.loadMore()}
          >
            {later().loadMore}
          </button>
        )}
        <Personal
          chat={chat}
          hasChats={threads.length > 0}
          canDelete={canDelete}
          onDone={() => heading.current?.focus()}
        />
      </div>
    </div>
  );
}

interface RowButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
}

function RowButton({ icon, label, onClick }: RowButtonProps) {
  return (
    <button
      type="button"
      class="icon-button small"
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

interface RenameProps {
  title: string;
  onSave: (title: string) => void;
  onCancel: () => void;
}

function Rename({ title, onSave, onCancel }: RenameProps) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.select(), []);
  return (
    <form
      class="confirm"
      onKeyDown={atEscape(onCancel)}
      onSubmit={(event) => {
        event.preventDefault();
        const name = field.current?.value.trim() ?? "";
        if (name === "" || name === title) onCancel();
        else onSave(name);
      }}
    >
      <input
        ref={field}
        dir="auto"
        maxLength={MAX_TITLE}
        defaultValue={title}
        aria-label={later().chatName}
      />
      <button type="button" class="text-button" onClick={onCancel}>
        {later().cancel}
      </button>
      <button type="submit" class="text-button">
        {later().save}
      </button>
    </form>
  );
}

function titleOf(thread: ThreadMetadata): string {
  return thread.title || later().untitled;
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
