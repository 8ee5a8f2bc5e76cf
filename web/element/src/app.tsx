/** The whole element as one function of its state. */

import type { Chat } from "@docs-chatkit/core";

import { Composer } from "./composer.js";
import { Header } from "./header.js";
import { lazy } from "./lazy.js";
import { FailureBox, Skeleton } from "./boxes.js";
import type { Host } from "./host.js";
import { Markdown, type MarkdownRules } from "./markdown.js";
import { describeConnection, Messages } from "./messages.js";
import type { DocsChatKitOptions } from "./options.js";
import type { Outbox } from "./outbox.js";
import { isComposing } from "./page/composing.js";
import { Start } from "./start.js";
import { strings } from "./strings.js";

const ClosedNote = lazy(() => import("./closed.js").then((parts) => parts.ClosedNote));
const History = lazy(() => import("./history.js").then((parts) => parts.History));

export interface AppProps {
  chat: Chat;
  options: DocsChatKitOptions;
  outbox: Outbox;
  rules: MarkdownRules;
  theme: Record<string, string>;
  host: Host;
  /** What a screen reader is told next. */
  announcement: string;
  /** The thread that will be loaded once the page listens. */
  loading: boolean;
  onPrompt: Parameters<typeof Start>[0]["onPrompt"];
  onNew: () => void;
  onHistory: () => void;
  onOpen: (threadId: string) => void;
}

export function App(props: AppProps) {
  const { chat, options, outbox, rules } = props;
  const { state } = chat;
  const { thread } = state;
  const history = chat.history.state;
  const loading = props.loading || state.phase === "loading";
  const isNew = state.threadId === null && thread.items.length === 0;
  const status = thread.thread?.status ?? { type: "active" };
  const title =
    options.header?.title?.text ?? thread.thread?.title ?? options.frameTitle ?? strings.newChat;
  return (
    <div
      class="app"
      style={props.theme}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !history.open || isComposing(event)) return;
        // Marked as used, so that the page does not close its panel as well.
        event.preventDefault();
        props.onHistory();
      }}
    >
      {options.header?.enabled !== false && (
        <Header
          options={options.header ?? {}}
          title={title}
          historyOpen={history.open}
          historyEnabled={options.history?.enabled !== false}
          isNew={isNew && !loading && !history.open}
          onNew={props.onNew}
          onHistory={props.onHistory}
        />
      )}
      {history.open && (
        <History
          chat={chat}
          state={history}
          current={state.threadId}
          canDelete={options.history?.showDelete !== false}
          canRename={options.history?.showRename !== false}
          skeleton={<Skeleton lines={3} />}
          onOpen={props.onOpen}
          placeholder={
            <div class="history">
              <div class="column">
                <Skeleton lines={5} />
              </div>
            </div>
          }
        />
      )}
      <div class="body" hidden={history.open}>
        {loading ? (
          <div class="scroll">
            <div class="column" role="status" aria-label={strings.loading}>
              <Skeleton lines={5} />
            </div>
          </div>
        ) : isNew ? (
          <Start
            greeting={options.startScreen?.greeting}
            prompts={options.startScreen?.prompts ?? []}
            onPrompt={props.onPrompt}
          />
        ) : (
          <Messages
            chat={chat}
            state={state}
            rules={rules}
            theme={props.theme}
            host={props.host}
            follow={options.thread?.autoScroll !== false}
            entities={options.entities}
            actions={options.threadItemActions}
          />
        )}
        <div class="footer">
          <div class="column">
            {isNew && !loading && state.failure && (
              <FailureBox chat={chat} failure={state.failure} />
            )}
            {status.type === "active" ? (
              <Composer
                draft={outbox.draft}
                options={options}
                actions={outbox}
                answering={state.phase === "answering"}
                canStop={thread.allowCancel}
                disabled={loading || (state.failure?.during === "load" && state.threadId !== null)}
              />
            ) : (
              <ClosedNote status={status} onNew={props.onNew} />
            )}
            {options.disclaimer && (
              <div class={options.disclaimer.highContrast ? "disclaimer strong" : "disclaimer"}>
                <Markdown text={options.disclaimer.text} rules={rules} />
              </div>
            )}
          </div>
        </div>
      </div>
      <p class="sr" role="status">
        {describeConnection(state.connection) ?? props.announcement}
      </p>
    </div>
  );
}
