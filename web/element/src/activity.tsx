/** What the assistant did on the way to its answer, one line each. */

import type { Task, Workflow } from "@docs-chatkit/core";

import { Icon, type IconName } from "./icons.js";
import { strings } from "./strings.js";

interface Line {
  icon: IconName;
  text: string;
  loading: boolean;
}

export function Activity({ workflow }: { workflow: Workflow }) {
  const lines = describeWorkflow(workflow);
  if (lines.length === 0) return null;
  return (
    <ul class="activity">
      {lines.map(({ icon, text, loading }, i) => (
        <li key={i} class={loading ? "loading" : undefined}>
          <Icon name={icon} />
          <span>{text}</span>
        </li>
      ))}
    </ul>
  );
}

export function describeWorkflow({ type, tasks, summary }: Workflow): Line[] {
  if (type === "reasoning") {
    const done = summary?.duration != null;
    const text =
      summary?.title ?? (done ? strings.thought(summary.duration ?? 0) : strings.reasoning);
    return [{ icon: "spark", text, loading: !summary }];
  }
  const lines = tasks.map(describeTask).filter((line) => line !== null);
  if (lines.length > 0 || !summary?.title) return lines;
  return [{ icon: "spark", text: summary.title, loading: false }];
}

export function describeTask(task: Task): Line | null {
  const loading = task.status_indicator === "loading";
  const query = task.title_query ?? task.queries?.[0];
  if (task.type === "web_search" && query) {
    const text = task.title ?? (loading ? strings.searching(query) : strings.searched(query));
    return { icon: "search", text, loading };
  }
  if (!task.title) return null;
  return { icon: task.type === "web_search" ? "search" : "spark", text: task.title, loading };
}
