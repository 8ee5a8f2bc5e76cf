/** The messages of a thread, following the newest unless the reader scrolled up. */

import type { Chat, ThreadItem } from "@docs-chatkit/core";
import type { EntitiesOption, ThreadItemActionsOption } from "@openai/chatkit";
import { Component, type ComponentChildren, Fragment } from "preact";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Answer } from "./answer.js";
import { FailureBox, NoticeBox, Skeleton } from "./boxes.js";
import type { Host } from "./host.js";
import { findIcon, Icon } from "./icons.js";
import { lazy } from "./lazy.js";
import { Markdown, type MarkdownRules } from "./markdown.js";
import { memo } from "./memo.js";
import { Question } from "./question.js";
import { strings } from "./strings.js";

/** How near to the end counts as reading the newest. */
const NEAR_PX = 60;

/** Items that look otherwise while an answer is being written. */
const LIVELY = new Set<ThreadItem["type"]>(["widget", "structured_input", "generated_image"]);

const Activity = lazy(() => import("./activity.js").then((module) => module.Activity));
const Questions = lazy(() => import("./questions.js").then((module) => module.Questions));
const Picture = lazy(() => import("./picture.js").then((module) => module.Picture));
const Widget = lazy(() => import("./widgets/widget.js").then((module) => module.Widget));

interface MessagesProps {
  chat: Chat;
  state: Chat["state"];
  rules: MarkdownRules;
  theme: Readonly<Record<string, string>>;
  host: Host;
  follow: boolean;
  entities: EntitiesOption | undefined;
  actions: ThreadItemActionsOption | undefined;
}

export function Messages(props: MessagesProps) {
  const { chat, state, rules, theme, host, follow, entities, actions } = props;
  const { thread, phase, failure, stopped } = state;
  const { box, atEnd, scrollToEnd, onScroll } = useFollowing(follow, thread.items);
  const answering = phase === "answering";
  const last = thread.items.at(-1);
  const connection = describeConnection(state.connection);
  const said = connection ?? thread.progress?.text ?? null;
  const icon = connection ? undefined : findIcon(thread.progress?.icon ?? undefined);
  const waiting = answering && !stopped && (said !== null || !isTextStreaming(last));
  const onRate = useCallback(
    (itemId: string, kind: "positive" | "negative") => void chat.rate(itemId, kind),
    [chat],
  );
  const onRetry = useCallback((itemId: string) => void chat.retry(itemId), [chat]);
  return (
    <div class="messages">
      <div
        class="scroll"
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={strings.messages}
        aria-busy={answering && !stopped}
      >
        <div class="column">
          <Notices state={state} after={null} rules={rules} />
          {thread.items.map((item) => (
            <Fragment key={item.id}>
              <Guard>
                <Item
                  item={item}
                  streaming={answering && !stopped && item === last}
                  busy={answering && LIVELY.has(item.type)}
                  rules={rules}
                  theme={theme}
                  host={host}
                  entities={entities}
                  onRate={actions?.feedback ? onRate : undefined}
                  onRetry={actions?.retry && !answering ? onRetry : undefined}
                  rating={state.feedback[item.id]}
                />
              </Guard>
              <Notices state={state} after={item.id} rules={rules} />
            </Fragment>
          ))}
          {waiting && (
            <p class="thinking">
              {icon ? (
                <Icon name={icon} />
              ) : (
                <span class="dots" aria-hidden="true">
                  <i />
                  <i />
                  <i />
                </span>
              )}
              <span class={said ? undefined : "sr"}>{said ?? strings.thinking}</span>
            </p>
          )}
          {stopped && <p class="stopped">{strings.stopped}</p>}
          {failure && <FailureBox chat={chat} failure={failure} />}
        </div>
      </div>
      {!atEnd && (
        <button type="button" class="to-latest" aria-label={strings.toLatest} onClick={scrollToEnd}>
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

/** What can't be drawn, as thousands of quotes within each other, takes nothing else along. */
class Guard extends Component<{ children: ComponentChildren }, { failed: boolean }> {
  static override getDerivedStateFromError() {
    return { failed: true };
  }

  render() {
    if (!this.state.failed) return this.props.children;
    return <p class="unloaded">{strings.notLoaded}</p>;
  }
}

interface ItemProps {
  item: ThreadItem;
  streaming: boolean;
  busy: boolean;
  rules: MarkdownRules;
  theme: Readonly<Record<string, string>>;
  host: Host;
  entities: EntitiesOption | undefined;
  onRate: ((itemId: string, kind: "positive" | "negative") => void) | undefined;
  onRetry: ((itemId: string) => void) | undefined;
  rating: "positive" | "negative" | undefined;
}

const Item = memo((props: ItemProps) => {
  const { item } = props;
  switch (item.type) {
    case "user_message":
      return <Question item={item} entities={props.entities} rules={props.rules} />;
    case "assistant_message":
      return <Answer {...props} item={item} />;
    case "widget":
      return <Widget {...props} item={item} placeholder={<Skeleton lines={3} />} />;
    case "structured_input":
      return <Questions {...props} item={item} placeholder={<Skeleton lines={3} />} />;
    case "generated_image":
      return <Picture {...props} item={item} placeholder={<Skeleton lines={3} />} />;
    case "workflow":
      return <Activity workflow={item.workflow} rules={props.rules} />;
    case "task":
      return <Activity workflow={{ tasks: [item.task] }} rules={props.rules} />;
    default:
      return null;
  }
});

function Notices({
  state,
  after,
  rules,
}: {
  state: Chat["state"];
  after: string | null;
  rules: MarkdownRules;
}) {
  const notices = state.thread.notices.filter((notice) => notice.afterItem === after);
  return (
    <>
      {notices.map((notice, i) => (
        <NoticeBox key={i} level={notice.level} title={notice.title}>
          <Markdown text={notice.message} rules={rules} />
        </NoticeBox>
      ))}
    </>
  );
}

/** What keeps an answer waiting; null while nothing does. */
export function describeConnection(connection: Chat["state"]["connection"]): string | null {
  if (connection === "up") return null;
  return connection === "offline" ? strings.offline : strings.reconnecting;
}

function isTextStreaming(item: ThreadItem | undefined): boolean {
  return item?.type === "assistant_message" && item.content.some((part) => part.text !== "");
}

function useFollowing(follow: boolean, items: readonly ThreadItem[]) {
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const lastTop = useRef(0);
  const [atEnd, setAtEnd] = useState(true);
  const questions = items.reduce((n, item) => n + (item.type === "user_message" ? 1 : 0), 0);

  const scrollToEnd = useCallback(() => {
    following.current = true;
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior: "instant" });
  }, []);
  const onScroll = useCallback(() => {
    if (!box.current) return;
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    const left = scrollHeight - scrollTop - clientHeight;
    // The first step upwards counts: a smooth scroll begins with less than the next line of text
    // would undo.
    if (scrollTop < lastTop.current) following.current = left < 1;
    else if (left < NEAR_PX) following.current = true;
    lastTop.current = scrollTop;
    setAtEnd(following.current);
  }, []);
  // A question of one's own is always shown, wherever one was reading.
  useLayoutEffect(scrollToEnd, [questions]);
  useLayoutEffect(() => {
    if (follow && following.current) scrollToEnd();
  });
  return { box, atEnd, scrollToEnd, onScroll };
}
