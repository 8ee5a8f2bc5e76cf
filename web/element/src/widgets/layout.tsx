/** The components that hold others. */

import { childrenOf, type WidgetNode } from "@docs-chatkit/core";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { later } from "../later.js";
import { safeImage } from "../links.js";
import { strings } from "../strings.js";
import { Children, MAX_DEPTH, type Props, useAction, useWidget } from "./context.js";
import { humanize } from "./fields.js";
import { Glyph } from "./glyphs.js";
import { GroundScope, useGround } from "./ground.js";
import * as values from "./values.js";

interface ComponentProps {
  node: WidgetNode;
  depth: number;
}

/** Box, Row, Col and Basic. */
export function Box({ node, depth }: ComponentProps) {
  const { scheme } = useWidget();
  const { theme, style } = useGround(node["background"], scheme);
  const direction = node.type === "Row" || node["direction"] === "row" ? "row" : "col";
  return (
    <div
      class={`w-box w-${direction}`}
      style={{ ...style, ...values.box(node, scheme, direction) }}
    >
      <GroundScope.Provider value={theme}>
        <Children node={node} depth={depth} />
      </GroundScope.Provider>
    </div>
  );
}

export function Form({ node, depth }: ComponentProps) {
  const { scheme } = useWidget();
  const { theme, style } = useGround(node["background"], scheme);
  const submit = useAction(node["onSubmitAction"], "container");
  const direction = node["direction"] === "row" ? "row" : "col";
  return (
    <form
      class={`w-box w-${direction}`}
      style={{ ...style, ...values.box(node, scheme, direction) }}
      onSubmit={(event) => {
        event.preventDefault();
        event.stopPropagation();
        if (submit && !submit.disabled) submit.run(event.currentTarget);
      }}
    >
      <GroundScope.Provider value={theme}>
        <Children node={node} depth={depth} />
      </GroundScope.Provider>
    </form>
  );
}

export function Card({ node, depth }: ComponentProps) {
  const { scheme } = useWidget();
  const { theme, style } = useGround(node["background"], scheme);
  const [opened, setOpened] = useState(false);
  const confirm = cardAction(node["confirm"]);
  const cancel = cardAction(node["cancel"]);
  const onConfirm = useAction(confirm?.action, "container");
  const onCancel = useAction(cancel?.action, "container");
  const isForm = node["asForm"] === true;
  const collapsed = node["collapsed"] === true && !opened;
  const Tag = isForm ? "form" : "div";
  const size = values.oneOf(node["size"], ["sm", "md", "lg", "full"], "md");
  return (
    <Tag
      class={`w-card w-card-${size}`}
      style={{
        ...style,
        ...values.border(node["border"], scheme),
        ...values.background(node["background"], scheme),
      }}
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        if (onConfirm && !onConfirm.disabled) onConfirm.run(event.currentTarget as HTMLElement);
      }}
    >
      <Status status={node["status"]}>
        {collapsed && (
          <button
            type="button"
            class="w-open"
            aria-expanded={false}
            onClick={() => {
              setOpened(true);
            }}
          >
            {later().details}
          </button>
        )}
      </Status>
      {!collapsed && (
        <div class="w-card-body" style={values.spacing("padding", node["padding"])}>
          <GroundScope.Provider value={theme}>
            <Children node={node} depth={depth} />
          </GroundScope.Provider>
        </div>
      )}
      {!collapsed && (onConfirm || onCancel) && (
        <div class="w-card-actions">
          {onCancel && (
            <button
              type="button"
              class="w-button outline"
              aria-disabled={onCancel.disabled}
              onClick={(event) => {
                if (!onCancel.disabled) onCancel.run(event.currentTarget);
              }}
            >
              {cancel?.label}
            </button>
          )}
          {onConfirm && (
            <button
              type={isForm ? "submit" : "button"}
              class="w-button tone-primary solid"
              aria-disabled={onConfirm.disabled}
              onClick={(event) => {
                if (!isForm && !onConfirm.disabled) onConfirm.run(event.currentTarget);
              }}
            >
              {confirm?.label}
            </button>
          )}
        </div>
      )}
    </Tag>
  );
}

function cardAction(value: unknown): { label: string; action: unknown } | null {
  if (!values.isRecord(value)) return null;
  return { label: values.text(value["label"]), action: value["action"] };
}

function Status({ status, children }: { status: unknown; children?: ComponentChildren }) {
  const { rules } = useWidget();
  const known: Props = values.isRecord(status) ? status : {};
  const favicon = safeImage(values.text(known["favicon"]), rules.imageDomains);
  if (!values.text(known["text"]) && !children) return null;
  return (
    <div class="w-status">
      {favicon !== null && known["favicon"] ? (
        <img
          src={favicon}
          alt=""
          class={known["frame"] === true ? "framed" : undefined}
          referrerPolicy="no-referrer"
        />
      ) : (
        Boolean(known["icon"]) && <Glyph name={known["icon"]} />
      )}
      <span>{values.text(known["text"])}</span>
      {children}
    </div>
  );
}

/** How many rows of a list whose limit is left to us are shown at first. */
const AUTO_LIMIT = 5;

export function ListView({ node, depth }: ComponentProps) {
  const [all, setAll] = useState(false);
  const rows = childrenOf(node);
  const wanted = node["limit"] === "auto" ? AUTO_LIMIT : node["limit"];
  const limit = typeof wanted === "number" && wanted >= 1 && !all ? wanted : Infinity;
  const shown = limit < rows.length ? { ...node, children: rows.slice(0, limit) } : node;
  return (
    <div class="w-card w-list">
      <Status status={node["status"]} />
      <ul>
        <Children node={shown} depth={depth} />
      </ul>
      {shown !== node && (
        <button
          type="button"
          class="w-more"
          onClick={(event) => {
            // The button goes: who pressed it with a key goes on at the first row that came.
            const list = event.currentTarget.previousElementSibling;
            setAll(true);
            requestAnimationFrame(() => {
              const row = list?.children[limit] as HTMLElement | undefined;
              if (row) row.tabIndex = -1;
              row?.focus();
            });
          }}
        >
          {later().loadMore}
        </button>
      )}
    </div>
  );
}

export function ListViewItem({ node, depth }: ComponentProps) {
  const click = useAction(node["onClickAction"], "self");
  const style: values.Style = {};
  const gap = values.space(node["gap"]);
  if (gap) style["gap"] = gap;
  if (values.text(node["align"])) style["alignItems"] = values.text(node["align"]);
  return (
    <li class={click ? "w-item clickable" : "w-item"} style={style} aria-busy={click?.loading}>
      {/* Over the row and under its own controls: a button may not hold others. */}
      {click && (
        <button
          type="button"
          class="w-cover"
          aria-label={textsOf(node).join(", ") || humanize(click.type)}
          aria-disabled={click.disabled}
          onClick={(event) => {
            if (!click.disabled) click.run(event.currentTarget);
          }}
        />
      )}
      <Children node={node} depth={depth} />
    </li>
  );
}

/** Every text in a component, for the name of what it stands in. */
export function textsOf(node: WidgetNode, depth = 0): string[] {
  const own = values.text(node["value"]) || values.text(node["label"]);
  const texts = own && !node["editable"] ? [own] : [];
  if (depth > MAX_DEPTH) return texts;
  for (const child of childrenOf(node)) {
    if (values.isRecord(child)) texts.push(...textsOf(child, depth + 1));
  }
  return texts;
}

export function Divider({ node }: ComponentProps) {
  const { scheme } = useWidget();
  const margin = values.space(node["spacing"]);
  return (
    <hr
      class={node["flush"] === true ? "w-divider flush" : "w-divider"}
      style={{
        borderBlockStartColor: values.color(node["color"], "border", scheme) ?? "var(--border)",
        borderBlockStartWidth: values.length(node["size"]) ?? "1px",
        ...(margin && { marginBlock: margin }),
      }}
    />
  );
}

export function Spacer({ node }: ComponentProps) {
  const size = values.length(node["minSize"]);
  return <span class="w-spacer" style={size ? { minInlineSize: size, minBlockSize: size } : {}} />;
}

export function Transition({ node, depth }: ComponentProps) {
  const child = childrenOf(node)[0];
  // Another component is another element, which comes in anew.
  return (
    <div class="w-transition" key={child?.key ?? child?.id ?? child?.type}>
      <Children node={node} depth={depth} />
    </div>
  );
}

export function Table({ node, depth }: ComponentProps) {
  return (
    <div class="table" tabIndex={0} role="group" aria-label={strings.table}>
      <table>
        <tbody>
          {childrenOf(node)
            .filter((row) => values.isRecord(row))
            .map((row, i) => (
              <tr key={i}>
                {childrenOf(row)
                  .filter((cell) => values.isRecord(cell))
                  .map((cell, j) => (
                    <TableCell
                      key={j}
                      node={cell}
                      depth={depth + 2}
                      header={row["header"] === true}
                    />
                  ))}
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}

const COLUMN: Record<string, string> = { xs: "10%", sm: "20%", md: "30%", lg: "40%", xl: "50%" };

function TableCell({ node, depth, header }: ComponentProps & { header: boolean }) {
  const Tag = header ? "th" : "td";
  const { colSpan, rowSpan } = node;
  const width = values.length(node["width"]) ?? COLUMN[values.text(node["colSize"])];
  const align = values.text(node["vAlign"]);
  return (
    <Tag
      {...(header && { scope: "col" })}
      {...(typeof colSpan === "number" && { colSpan })}
      {...(typeof rowSpan === "number" && { rowSpan })}
      style={{
        ...(width && { width }),
        ...values.spacing("padding", node["padding"]),
        ...(values.text(node["align"]) && { textAlign: values.text(node["align"]) }),
        ...(align && { verticalAlign: { start: "top", end: "bottom" }[align] ?? "middle" }),
      }}
    >
      <Children node={node} depth={depth} />
    </Tag>
  );
}
