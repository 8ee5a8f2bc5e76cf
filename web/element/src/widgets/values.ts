/**
 * What a widget's properties say, as styles. They come from a server and may hold anything: each ends
 * in one property of a style object, which can hold no other property, and none of these loads files.
 */

import { contrast, formatColor, mix, oklch, parseColor, readable, type RGB } from "../color.js";

export type Style = Record<string, string>;
export type Scheme = "light" | "dark";

export function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export function oneOf<T extends string>(value: unknown, known: readonly T[], otherwise: T): T {
  return known.includes(value as T) ? (value as T) : otherwise;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A size: a number of pixels or CSS. */
export function length(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? `${value}px` : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A distance: a number of spacing units, which follow the density of the theme, or CSS. */
export function space(value: unknown): string | undefined {
  if (typeof value !== "number") return length(value);
  return Number.isFinite(value) ? `calc(var(--space) * ${value})` : undefined;
}

const TEXT_COLORS: Record<string, string> = {
  prose: "var(--fg)",
  primary: "var(--fg)",
  emphasis: "var(--fg)",
  secondary: "var(--muted)",
  tertiary: "var(--muted)",
  success: "var(--success-text)",
  warning: "var(--warning-text)",
  danger: "var(--danger-text)",
};
const SURFACES: Record<string, string> = {
  surface: "var(--bg)",
  "surface-secondary": "var(--raised)",
  "surface-tertiary": "var(--hover)",
  "surface-elevated": "var(--bg)",
  "surface-elevated-secondary": "var(--raised)",
};
const BORDERS: Record<string, string> = {
  default: "var(--border)",
  subtle: "var(--raised)",
  strong: "var(--edge)",
};
const TOKENS = { text: TEXT_COLORS, surface: SURFACES, border: BORDERS, chart: {} };
const HUES: Record<string, number> = {
  red: 25,
  orange: 55,
  yellow: 95,
  green: 150,
  blue: 258,
  purple: 303,
  pink: 355,
  gray: 0,
};

/**
 * A colour: a token, a step of the palette such as `blue-500`, CSS, or one of these per scheme. A step
 * that can't be read as text on the grounds of `theme` becomes darker or lighter.
 */
export function color(
  value: unknown,
  kind: keyof typeof TOKENS,
  scheme: Scheme,
  theme: Readonly<Record<string, string>> = {},
): string | undefined {
  if (isRecord(value)) return color(value[scheme], kind, scheme, theme);
  if (typeof value !== "string" || value === "") return undefined;
  const tokens: Record<string, string> = TOKENS[kind];
  if (Object.hasOwn(tokens, value)) return tokens[value];
  const [, hue = "", step] = /^([a-z]+)(?:-(\d{2,4}))?$/.exec(value) ?? [];
  if (Object.hasOwn(HUES, hue) && (step || kind === "chart")) {
    const found = paletteColor(hue, Number(step ?? 500));
    return formatColor(kind === "text" ? readableOn(theme, found) : found);
  }
  return value;
}

/** Also where a row lies under the pointer. */
function readableOn(theme: Readonly<Record<string, string>>, found: RGB): RGB {
  const grounds = ["--bg", "--raised", "--hover"].flatMap((name) => {
    const ground = parseColor(theme[name] ?? "");
    return ground ? [ground] : [];
  });
  return readable(found, grounds, parseColor(theme["--fg"] ?? "") ?? found);
}

/** Ten steps from light to dark, evenly for the eye. */
function paletteColor(hue: string, step: number): RGB {
  const part = Math.min(step, 1000) / 1000;
  const lightness = 0.99 - 0.78 * part;
  const chroma = hue === "gray" ? 0.005 : 0.2 * (1 - (2 * part - 1) ** 2) + 0.01;
  return oklch(lightness, chroma, HUES[hue] ?? 0);
}

/** A colour, or a gradient without anything in it that could load a file. */
export function background(value: unknown, scheme: Scheme): Style {
  const found = color(value, "surface", scheme);
  if (found === undefined) return {};
  const isGradient = /^(repeating-)?(linear|radial|conic)-gradient\(/i.test(found);
  if (isGradient && !/\\|url|image|src|fade|element|paint/i.test(found)) {
    return { backgroundImage: found };
  }
  return { backgroundColor: found };
}

const RADIUS: Record<string, string> = {
  none: "0",
  "2xs": "2px",
  xs: "4px",
  sm: "6px",
  md: "8px",
  lg: "10px",
  xl: "12px",
  "2xl": "16px",
  "3xl": "20px",
  "4xl": "24px",
  full: "9999px",
  "100%": "100%",
};

const SIDES = {
  top: "BlockStart",
  bottom: "BlockEnd",
  left: "InlineStart",
  right: "InlineEnd",
  x: "Inline",
  y: "Block",
} as const;

/** `padding` or `margin`. Left is where lines begin, so that a page from right to left mirrors it. */
export function spacing(property: "padding" | "margin", value: unknown): Style {
  if (!isRecord(value)) return styleOf({ [property]: space(value) });
  // The sides come after the axes that they refine.
  const order = ["x", "y", "top", "right", "bottom", "left"] as const;
  return styleOf(
    Object.fromEntries(
      order
        .filter((side) => side in value)
        .map((side) => [property + SIDES[side], space(value[side])]),
    ),
  );
}

export function border(value: unknown, scheme: Scheme): Style {
  if (typeof value === "number" || (isRecord(value) && "size" in value)) {
    return styleOf({ border: edge(value, scheme) });
  }
  if (!isRecord(value)) return {};
  const order = ["x", "y", "top", "right", "bottom", "left"] as const;
  return styleOf(
    Object.fromEntries(
      order
        .filter((side) => side in value)
        .map((side) => [`border${SIDES[side]}`, edge(value[side], scheme)]),
    ),
  );
}

const LINES = [
  "solid",
  "dashed",
  "dotted",
  "double",
  "groove",
  "ridge",
  "inset",
  "outset",
] as const;

function edge(value: unknown, scheme: Scheme): string | undefined {
  const {
    size,
    color: own,
    style,
  }: Record<string, unknown> = isRecord(value) ? value : { size: value };
  if (typeof size !== "number" || !Number.isFinite(size)) return undefined;
  const found = color(own, "border", scheme) ?? "var(--border)";
  return `${size}px ${oneOf(style, LINES, "solid")} ${found}`;
}

/** Size, margin, radius and the like, which most components have. */
export function block(props: Record<string, unknown>): Style {
  const { aspectRatio, radius } = props;
  return {
    ...styleOf({
      width: length(props["width"] ?? props["size"]),
      height: length(props["height"] ?? props["size"]),
      minWidth: length(props["minWidth"] ?? props["minSize"]),
      minHeight: length(props["minHeight"] ?? props["minSize"]),
      maxWidth: length(props["maxWidth"] ?? props["maxSize"]),
      maxHeight: length(props["maxHeight"] ?? props["maxSize"]),
      aspectRatio: text(aspectRatio) || undefined,
      borderRadius: typeof radius === "string" ? RADIUS[radius] : undefined,
      flex: text(props["flex"]) || undefined,
    }),
    ...spacing("margin", props["margin"]),
  };
}

const JUSTIFY: Record<string, string> = {
  between: "space-between",
  around: "space-around",
  evenly: "space-evenly",
};

/** How a container lays out its children, and its own look. */
export function box(
  props: Record<string, unknown>,
  scheme: Scheme,
  direction: "row" | "col",
): Style {
  const justify = text(props["justify"]);
  return {
    ...block(props),
    ...spacing("padding", props["padding"]),
    ...border(props["border"], scheme),
    ...background(props["background"], scheme),
    ...styleOf({
      flexDirection: direction === "row" ? "row" : "column",
      alignItems: text(props["align"]) || (direction === "row" ? "center" : undefined),
      justifyContent: JUSTIFY[justify] ?? (justify || undefined),
      flexWrap: text(props["wrap"]) || undefined,
      gap: space(props["gap"]),
    }),
  };
}

function styleOf(properties: Record<string, string | undefined>): Style {
  const set = Object.entries(properties).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as Style;
}

const TONES: Record<string, RGB> = {
  success: [22, 128, 70],
  info: [30, 104, 210],
  discovery: [124, 70, 220],
  caution: [176, 126, 0],
};

/** Readable colours for buttons and badges on any theme, beside those that the chat itself has. */
export function tones(theme: Readonly<Record<string, string>>): Style {
  const rgb = (name: string): RGB => parseColor(theme[name] ?? "") ?? [128, 128, 128];
  const [background, foreground] = [rgb("--bg"), rgb("--fg")];
  const all: Record<string, RGB> = {
    ...TONES,
    primary: rgb("--accent"),
    secondary: rgb("--muted"),
    warning: rgb("--warning"),
    danger: rgb("--danger"),
  };
  const properties: Style = {};
  for (const [name, base] of Object.entries(all)) {
    const soft = mix(base, background, 0.14);
    const ink = contrast([255, 255, 255], base) >= 4.5 ? [255, 255, 255] : [0, 0, 0];
    properties[`--${name}-solid`] = formatColor(base);
    properties[`--${name}-ink`] = formatColor(ink as unknown as RGB);
    properties[`--${name}-tint`] = formatColor(soft);
    properties[`--${name}-text`] = formatColor(readable(base, [background, soft], foreground));
  }
  return properties;
}
