/** What the assistant did on the way to its answer, one line each, with more to unfold. */

import type { Task, Workflow } from "@docs-chatkit/core";
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

import css from "./activity.css";
import { findIcon, Icon, type IconName } from "./icons.js";
import { lazy } from "./lazy.js";
import type { MarkdownRules } from "./markdown.js";
import { later } from "./later.js";
import { useStyles } from "./sheet.js";

const TaskDetails = lazy(() => import("./details.js").then((module) => module.TaskDetails));

interface Line {
  icon: IconName;
  text: string;
  loading: boolean;
}

interface Described {
  /** Stands for all the tasks, which are below it. */
  heading: Line | null;
  lines: (Line & { task: Task })[];
}

export function Activity({ workflow, rules }: { workflow: Workflow; rules: MarkdownRules }) {
  const box = useStyles<HTMLDivElement>(css);
  const { heading, lines } = describeWorkflow(workflow);
  const list = lines.length > 0 && (
    <ul class="activity">
      {lines.map(({ task, ...line }, i) => (
        <li key={i}>
          <Fold line={line}>{hasDetails(task) && <TaskDetails task={task} rules={rules} />}</Fold>
        </li>
      ))}
    </ul>
  );
  if (!heading && !list) return null;
  return (
    <div class="activity" ref={box}>
      {heading ? (
        <Fold line={heading} open={workflow.expanded === true}>
          {list}
        </Fold>
      ) : (
        list
      )}
    </div>
  );
}

interface FoldProps {
  line: Line;
  open?: boolean;
  /** Nothing where there is no more to tell. */
  children: ComponentChildren;
}

function Fold({ line, open = false, children }: FoldProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const id = useId();
  const shown = chosen ?? open;
  const classes = line.loading ? "step loading" : "step";
  const content = (
    <>
      <Icon name={line.icon} />
      <span>{line.text}</span>
    </>
  );
  if (!children) return <div class={classes}>{content}</div>;
  return (
    <>
      <button
        type="button"
        class={classes}
        aria-expanded={shown}
        aria-controls={id}
        onClick={() => {
          setChosen(!shown);
        }}
      >
        {content}
        <Icon name="unfold" />
      </button>
      <div id={id} class="fold" hidden={!shown}>
        {shown && children}
      </div>
    </>
  );
}

export function describeWorkflow({ type, tasks, summary }: Workflow): Described {
  const lines = tasks.flatMap((task) => {
    const line = describeTask(task);
    return line ? [{ ...line, task }] : [];
  });
  const { title, duration, icon } = summary ?? {};
  let text = title;
  if (type === "reasoning") {
    text ??= duration == null ? later().reasoning : later().thought(duration);
  } else if (duration != null && lines.length > 1) text ??= later().worked(duration);
  if (!text) return { heading: null, lines };
  const loading = type === "reasoning" && !summary;
  return { heading: { icon: findIcon(icon ?? undefined) ?? "spark", text, loading }, lines };
}

export function describeTask(task: Task): Line | null {
  const loading = task.status_indicator === "loading";
  const query = task.title_query ?? task.queries?.[0];
  const isSearch = task.type === "web_search";
  const searched = isSearch && query && (loading ? later().searching : later().searched)(query);
  // A thought without a title begins with what it is about.
  const thought =
    task.type === "thought" && task.content?.split("\n", 1)[0]?.replace(/[*_#`]/g, "");
  const text = task.title || searched || thought;
  if (!text) return null;
  const usual = isSearch ? "search" : task.type === "file" ? "book" : "spark";
  return { icon: findIcon(task.icon ?? undefined) ?? usual, text, loading };
}

function hasDetails({ content, sources = [], queries = [] }: Task): boolean {
  return Boolean(content) || sources.length > 0 || queries.length > 1;
}
