/** The page's own preview of an entity, shown beside its tag or its number. */

import type { WidgetNode } from "@docs-chatkit/core";
import type { EntitiesOption } from "@openai/chatkit";
import { render } from "preact";

import type { Host } from "./host.js";
import type { MarkdownRules } from "./markdown.js";
import { showCard } from "./preview.js";
import { Widget } from "./widgets/widget.js";

type Requested = ReturnType<NonNullable<EntitiesOption["onRequestPreview"]>>;

interface PreviewProps {
  host: Host;
  theme: Readonly<Record<string, string>>;
  rules: MarkdownRules;
}

export async function showEntity(
  mark: HTMLElement,
  requested: Requested,
  props: PreviewProps,
): Promise<void> {
  const { preview } = await requested;
  if (!preview) return;
  const widget = preview as unknown as WidgetNode;
  showCard(mark, (card) => {
    render(<Widget {...props} item={{ type: "widget", id: card.id, widget }} busy={false} />, card);
  });
}
