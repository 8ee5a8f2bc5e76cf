/** The components that show something: texts, badges, icons and images. */

import type { WidgetNode } from "@docs-chatkit/core";
import { useContext } from "preact/hooks";

import { imageSource, safeHref } from "../links.js";
import { linkTarget, Markdown as ChatMarkdown } from "../markdown.js";
import { strings } from "../strings.js";
import { useWidget } from "./context.js";
import { EditableText } from "./fields.js";
import { GroundScope } from "./ground.js";
import { Glyph } from "./glyphs.js";
import * as values from "./values.js";

interface ComponentProps {
  node: WidgetNode;
}

const SIZES: Record<string, Record<string, number>> = {
  Text: { xs: 0.75, sm: 0.875, md: 1, lg: 1.125, xl: 1.25 },
  Label: { xs: 0.75, sm: 0.875, md: 1, lg: 1.125, xl: 1.25 },
  Caption: { sm: 0.75, md: 0.8, lg: 0.875 },
  Title: {
    sm: 1,
    md: 1.125,
    lg: 1.25,
    xl: 1.5,
    "2xl": 1.875,
    "3xl": 2.25,
    "4xl": 3,
    "5xl": 3.75,
  },
};
const WEIGHTS: Record<string, string> = {
  normal: "400",
  medium: "500",
  semibold: "600",
  bold: "700",
};

function useTextStyle(node: WidgetNode): values.Style {
  const { scheme } = useWidget();
  const theme = useContext(GroundScope);
  const size = SIZES[node.type]?.[values.text(node["size"])];
  const color = values.color(node["color"], "text", scheme, theme);
  const weight = WEIGHTS[values.text(node["weight"])];
  const align = values.text(node["textAlign"]);
  const width = values.length(node["width"]);
  const { minLines, maxLines } = node;
  return {
    ...(size && { fontSize: `calc(var(--size) * ${size})` }),
    ...(color && { color }),
    ...(weight && { fontWeight: weight }),
    ...(align && { textAlign: align }),
    ...(width && { width }),
    ...(typeof minLines === "number" && { minBlockSize: `${minLines}lh` }),
    ...(typeof maxLines === "number" && { WebkitLineClamp: String(maxLines) }),
    ...(node["italic"] === true && { fontStyle: "italic" }),
    ...(node["lineThrough"] === true && { textDecoration: "line-through" }),
  };
}

/** Text, Title and Caption. */
export function Text({ node }: ComponentProps) {
  const style = useTextStyle(node);
  if (node.type === "Text" && values.isRecord(node["editable"])) {
    return <EditableText node={node} editable={node["editable"]} style={style} />;
  }
  const clamp = typeof node["maxLines"] === "number" ? " clamp" : "";
  const cut = node["truncate"] === true ? " truncate" : "";
  const streaming = node["streaming"] === true ? " streaming" : "";
  return (
    <p class={`w-${node.type.toLowerCase()}${clamp}${cut}${streaming}`} style={style}>
      {values.text(node["value"])}
    </p>
  );
}

export function Label({ node }: ComponentProps) {
  const { fieldId } = useWidget();
  return (
    <label class="w-label" for={fieldId(values.text(node["fieldName"]))} style={useTextStyle(node)}>
      {values.text(node["value"])}
    </label>
  );
}

export function Markdown({ node }: ComponentProps) {
  const { rules } = useWidget();
  return <ChatMarkdown text={values.text(node["value"])} rules={rules} />;
}

const BADGE_COLORS = ["secondary", "success", "danger", "warning", "info", "discovery"] as const;

export function Badge({ node }: ComponentProps) {
  const color = values.oneOf(node["color"], BADGE_COLORS, "secondary");
  const variant = values.oneOf(node["variant"], ["solid", "soft", "outline"], "soft");
  const size = values.oneOf(node["size"], ["sm", "md", "lg"], "sm");
  const pill = node["pill"] === false ? "" : " pill";
  return (
    <span class={`w-badge tone-${color} ${variant} size-${size}${pill}`}>
      {values.text(node["label"])}
    </span>
  );
}

const ICON_PX: Record<string, number> = {
  xs: 12,
  sm: 14,
  md: 18,
  lg: 20,
  xl: 24,
  "2xl": 32,
  "3xl": 40,
};

export function Icon({ node }: ComponentProps) {
  const { scheme } = useWidget();
  const color = values.color(node["color"], "text", scheme, useContext(GroundScope));
  const size = ICON_PX[values.text(node["size"])] ?? 18;
  return (
    <span class="w-icon" style={{ "--icon": `${size}px`, ...(color && { color }) }}>
      <Glyph name={node["name"]} />
    </span>
  );
}

const FITS = ["cover", "contain", "fill", "scale-down", "none"] as const;

export function Image({ node }: ComponentProps) {
  const { rules, scheme } = useWidget();
  const written = values.text(node["src"]);
  const alt = values.text(node["alt"]);
  const src = imageSource(written, rules.imageDomains);
  const classes = ["w-image"];
  if (node["frame"] === true) classes.push("frame");
  if (node["flush"] === true) classes.push("flush");
  const style = {
    ...values.block(node),
    ...values.background(node["background"], scheme),
    objectFit: values.oneOf(node["fit"], FITS, "cover"),
    objectPosition: values.text(node["position"]) || "center",
  };
  if (src !== null) {
    return (
      <img
        src={src}
        alt={alt}
        class={classes.join(" ")}
        style={style}
        loading="lazy"
        referrerPolicy="no-referrer"
      />
    );
  }
  // Loading it would tell its host what the chat says; the reader may still go there.
  const href = safeHref(written);
  const label = alt || strings.image;
  return href === null ? (
    <span class="w-text">{label}</span>
  ) : (
    <a href={href} {...linkTarget(href)}>
      {label}
    </a>
  );
}
