/** What readers may have of everything that is kept about them, and may have deleted. */

import { asChatError, type Chat, type ChatClient, ChatError } from "@docs-chatkit/core";
import { useEffect, useRef, useState } from "preact/hooks";

import { Confirm } from "./confirm.js";
import { later } from "./later.js";
import { strings, wordsOf } from "./strings.js";

const TYPE = "application/x-ndjson";

/** What each server has said, so that it is asked once. */
const offers = new WeakMap<ChatClient, Promise<boolean>>();

interface PersonalProps {
  chat: Chat;
  hasChats: boolean;
  canDelete: boolean;
  /** The buttons are gone, and with them the focus. */
  onDone: () => void;
}

type Step =
  | { kind: "ready" | "asking" | "exporting" | "deleting" | "deleted" }
  | { kind: "failed"; error: Error };

/** Nothing where the server is another than this project's. */
export function Personal({ chat, hasChats, canDelete, onDone }: PersonalProps) {
  const [offered, setOffered] = useState(false);
  const [step, setStep] = useState<Step>({ kind: "ready" });
  const cancelled = useRef(false);
  const deleteButton = (node: HTMLButtonElement | null) => {
    // Back to where the question was asked for.
    if (cancelled.current) node?.focus();
    if (node) cancelled.current = false;
  };
  useEffect(() => void isOffered(chat.client).then(setOffered), []);
  if (!offered) return null;

  const run = (kind: "exporting" | "deleting", work: () => Promise<void>) => {
    setStep({ kind });
    void work().catch((error: unknown) => {
      setStep({ kind: "failed", error: asChatError(error) });
    });
  };
  const exportAll = async () => {
    save(await read(await ask(chat.client, "GET")));
    setStep({ kind: "ready" });
  };
  const deleteAll = async () => {
    const { threadId } = chat.state;
    await ask(chat.client, "DELETE");
    setStep({ kind: "deleted" });
    await beginAnew(chat, threadId);
    onDone();
  };
  const busy = step.kind === "exporting" || step.kind === "deleting";
  // While it is busy a button keeps its focus, and does nothing.
  const unlessBusy = (act: () => void) => () => {
    if (!busy) act();
  };
  return (
    <div class="personal">
      {/* Always there, so that a screen reader hears what comes into it. */}
      <p role="status">{step.kind === "deleted" && !hasChats ? later().deletedAll : ""}</p>
      {step.kind === "failed" && (
        <p class="failed" role="alert">
          {wordsOf(step.error)}
          {retryIn(step.error)}
        </p>
      )}
      {!hasChats ? null : step.kind === "asking" ? (
        <Confirm
          question={later().reallyDeleteAll}
          onCancel={() => {
            cancelled.current = true;
            setStep({ kind: "ready" });
          }}
          onConfirm={() => {
            run("deleting", deleteAll);
          }}
        />
      ) : (
        <div class="choices" aria-busy={busy}>
          <button
            type="button"
            class="text-button"
            aria-disabled={busy}
            onClick={unlessBusy(() => {
              run("exporting", exportAll);
            })}
          >
            {later().exportAll}
          </button>
          {canDelete && (
            <button
              ref={deleteButton}
              type="button"
              class="text-button danger"
              aria-disabled={busy}
              onClick={unlessBusy(() => {
                setStep({ kind: "asking" });
              })}
            >
              {later().deleteAll}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function retryIn(error: Error): string {
  const seconds = error instanceof ChatError ? error.retryAfter : undefined;
  return seconds === undefined ? "" : ` ${strings.tryAgainIn(Math.ceil(seconds))}`;
}

function isOffered(client: ChatClient): Promise<boolean> {
  // A server of somebody else's is not bothered with what it cannot know.
  if (!client.resumes) return Promise.resolve(false);
  let asked = offers.get(client);
  if (!asked) {
    asked = client
      .request("me", { method: "HEAD" })
      .then(({ ok, headers }) => ok && (headers.get("Content-Type") ?? "").startsWith(TYPE));
    offers.set(client, asked);
  }
  return asked.catch(() => {
    // Perhaps only the network: the next look asks again.
    offers.delete(client);
    return false;
  });
}

async function ask(client: ChatClient, method: "GET" | "DELETE"): Promise<Response> {
  const response = await client.request("me", { method });
  if (!response.ok) throw await ChatError.fromResponse(response);
  return response;
}

/**
 * Shows a new chat in place of the one that was open, and the list without what is gone. The reader
 * may have left the list meanwhile, and asked something new.
 */
async function beginAnew(chat: Chat, threadId: string | null): Promise<void> {
  // It is gone already; by this, the tabs that have it open hear of it. Others look when they are
  // looked at.
  if (threadId !== null) await chat.deleteThread(threadId);
  if (chat.history.state.open) await chat.history.open();
}

async function read(response: Response): Promise<Blob> {
  try {
    return await response.blob();
  } catch (error) {
    // Cut off in the middle: half a file is none.
    throw new ChatError(null, { cause: error });
  }
}

function save(file: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `chats-${new Date().toISOString().slice(0, 10)}.jsonl`;
  link.click();
  // Not at once: some browsers begin to read it only then.
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 60_000);
}
