/** Buttons, with or without an icon or a label. */

import type { WidgetNode } from "@docs-chatkit/core";

import { useAction } from "./context.js";
import { controlClass, humanize } from "./fields.js";
import { Glyph } from "./glyphs.js";
import * as values from "./values.js";

const COLORS = [
  "primary",
  "secondary",
  "info",
  "discovery",
  "success",
  "caution",
  "warning",
  "danger",
] as const;
const VARIANTS = ["solid", "soft", "outline", "ghost"] as const;
const ICON_PX: Record<string, number> = { sm: 14, md: 16, lg: 18, xl: 20, "2xl": 24 };

export function Button({ node }: { node: WidgetNode }) {
  const click = useAction(node["onClickAction"], "self");
  const isPrimary = node["style"] === "primary";
  const color = values.oneOf(node["color"], COLORS, isPrimary ? "primary" : "secondary");
  const variant = values.oneOf(node["variant"], VARIANTS, isPrimary ? "solid" : "outline");
  const label = values.text(node["label"]);
  const { iconStart, iconEnd } = node;
  const submit = node["submit"] === true;
  const inactive = node["disabled"] === true || click?.disabled === true;
  const size = ICON_PX[values.text(node["iconSize"])] ?? 16;
  const square = node["uniform"] === true || label === "" ? " uniform" : "";
  return (
    <button
      type={submit ? "submit" : "button"}
      class={controlClass(node, `w-button tone-${color}${square}`, variant)}
      style={{ "--icon": `${size}px` }}
      // Not `disabled`, which would take the focus from the button that was pressed.
      aria-disabled={inactive}
      aria-busy={click?.loading}
      {...(label === "" && {
        "aria-label": humanize(values.text(iconStart ?? iconEnd) || (click?.type ?? "")),
      })}
      onClick={(event) => {
        const button = event.currentTarget;
        if (inactive) event.preventDefault();
        else if (!submit || button.form?.checkValidity() !== false) click?.run(button);
      }}
    >
      {click?.loading ? <i class="w-spinner" /> : Boolean(iconStart) && <Glyph name={iconStart} />}
      {label !== "" && <span>{label}</span>}
      {Boolean(iconEnd) && <Glyph name={iconEnd} />}
    </button>
  );
}
