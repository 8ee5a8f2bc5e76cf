/** One widget of a thread: its components, its look and what its actions do. */

import { childrenOf, type WidgetItem, type WidgetNode } from "@docs-chatkit/core";
import { useMemo, useRef, useState } from "preact/hooks";

import type { Host } from "../host.js";
import type { MarkdownRules } from "../markdown.js";
import { useStyles } from "../sheet.js";
import { strings } from "../strings.js";
import { fieldsOf, withFields } from "./action.js";
import { Button } from "./button.js";
import { Chart } from "./chart.js";
import { Badge, Icon, Image, Label, Markdown, Text } from "./content.js";
import {
  Children,
  MAX_DEPTH,
  type WidgetComponent,
  type WidgetContext,
  WidgetScope,
} from "./context.js";
import { colorsOf, GroundScope, type Theme } from "./ground.js";
import { Checkbox, DatePicker, Input, RadioGroup, Select, Textarea } from "./fields.js";
import {
  Box,
  Card,
  Divider,
  Form,
  ListView,
  ListViewItem,
  Spacer,
  Table,
  textsOf,
  Transition,
} from "./layout.js";
import { isRecord, type Scheme, text, tones } from "./values.js";
import css from "./widgets.css";

const COMPONENTS: Readonly<Record<string, WidgetComponent>> = {
  Basic: Box,
  Box,
  Row: Box,
  Col: Box,
  Card,
  ListView,
  ListViewItem,
  Form,
  Divider,
  Spacer,
  Transition,
  Table,
  Text,
  Title: Text,
  Caption: Text,
  Label,
  Markdown,
  Badge,
  Icon,
  Image,
  Button,
  Input,
  Textarea,
  Select,
  DatePicker,
  Checkbox,
  RadioGroup,
  Chart,
};

interface WidgetProps {
  item: WidgetItem;
  host: Host;
  theme: Readonly<Record<string, string>>;
  rules: MarkdownRules;
  /** Whether the server is writing an answer. */
  busy: boolean;
}

export function Widget({ item, host, theme, rules, busy }: WidgetProps) {
  const root = useStyles<HTMLElement>(css);
  const [waiting, setWaiting] = useState(false);
  // The newest item, also for an action that began before an update.
  const latest = useRef(item);
  latest.current = item;
  const forced = text(item.widget["theme"]);
  const style = useMemo(() => styleOf(forced, theme), [forced, theme]);
  const ground = useMemo(() => ({ ...theme, ...style }), [theme, style]);
  const scheme = (forced || theme["color-scheme"]) === "dark" ? "dark" : "light";
  // The same text for as long as the labels are the same, so that a text that streams into one
  // component leaves the others alone.
  const labels = labelsIn(item.widget).join("\n");

  const scope = useMemo((): WidgetContext => {
    const names = new Set(labels.split("\n"));
    return {
      scheme,
      rules,
      components: COMPONENTS,
      busy,
      fieldId: (name) => `${item.id}-${name}`,
      isLabelled: (name) => names.has(name),
      act: async (action, { container, form, own }) => {
        const fields = [...fieldsOf(form), ...(own ? [own] : [])];
        const { payload, taken } = withFields(action.payload, fields);
        if (taken.length > 0) {
          // Most likely a mistake of who made the widget, who should hear of it.
          const names = taken.join(", ");
          host.fail(new Error(`The action ${action.type} has values of its own for ${names}.`));
        }
        const shadow = root.current?.getRootNode() as ShadowRoot | undefined;
        const focused = shadow?.activeElement;
        if (container) setWaiting(true);
        try {
          await host.act({ ...action, ...(payload && { payload }) }, latest.current);
        } finally {
          setWaiting(false);
          if (container) giveFocusBack(focused, shadow);
        }
      },
    };
  }, [item.id, labels, scheme, rules, busy, host]);

  return (
    <article
      class={waiting ? "widget waiting" : "widget"}
      ref={root}
      style={style}
      aria-label={textsOf(item.widget)[0] ?? strings.answer}
      aria-busy={waiting}
      inert={waiting}
    >
      <WidgetScope.Provider value={scope}>
        <GroundScope.Provider value={ground}>
          <Children node={{ type: "", children: item.widget }} depth={0} />
        </GroundScope.Provider>
      </WidgetScope.Provider>
    </article>
  );
}

/** The colours of the chat, or those of the scheme that the widget wants for itself. */
function styleOf(forced: string, theme: Theme): Theme {
  if (!isScheme(forced) || forced === theme["color-scheme"]) return tones(theme);
  return colorsOf({ colorScheme: forced }, theme);
}

function isScheme(value: string): value is Scheme {
  return value === "light" || value === "dark";
}

/** The fields that have a Label. */
function labelsIn(node: WidgetNode, depth = 0): string[] {
  if (node.type === "Label") return [text(node["fieldName"])];
  if (depth > MAX_DEPTH) return [];
  return childrenOf(node).flatMap((child) => (isRecord(child) ? labelsIn(child, depth + 1) : []));
}

/** What is inert loses the focus, which would then begin at the top of the page. */
function giveFocusBack(focused: Element | null | undefined, shadow: ShadowRoot | undefined): void {
  requestAnimationFrame(() => {
    if (focused?.isConnected && !shadow?.activeElement) (focused as HTMLElement).focus();
  });
}
