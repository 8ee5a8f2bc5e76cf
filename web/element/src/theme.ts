/** Turns the theme option into the custom properties that the style sheet reads. */

import type { ChatKitOptions, ThemeOption } from "@openai/chatkit";

import { contrast, formatColor, mix, readable, type RGB } from "./color.js";

type ResolveColor = (color: string) => RGB | null;

const SCHEMES = {
  light: {
    background: [255, 255, 255],
    foreground: [27, 31, 38],
    accent: [59, 91, 219],
    danger: [190, 32, 48],
    warning: [138, 84, 0],
  },
  dark: {
    background: [22, 24, 29],
    foreground: [232, 234, 238],
    accent: [124, 156, 255],
    danger: [255, 138, 138],
    warning: [240, 190, 100],
  },
} as const satisfies Record<string, Record<string, RGB>>;

const WHITE: RGB = [255, 255, 255];
const BLACK: RGB = [12, 14, 18];

const RADIUS = {
  pill: ["22px", "14px", "18px"],
  round: ["14px", "12px", "16px"],
  soft: ["8px", "8px", "10px"],
  sharp: ["2px", "2px", "2px"],
} as const;

const DENSITY = { compact: 0.8, normal: 1, spacious: 1.2 } as const;

/** `resolve` turns any CSS colour into numbers, or `null` where it cannot. */
export function themeProperties(
  option: ChatKitOptions["theme"],
  resolve: ResolveColor,
): Record<string, string> {
  const theme: ThemeOption = typeof option === "string" ? { colorScheme: option } : (option ?? {});
  const [control, card, bubble] = RADIUS[theme.radius ?? "round"];
  const { baseSize = 15, fontFamily, fontFamilyMono } = theme.typography ?? {};
  return {
    "color-scheme": theme.colorScheme ?? "light",
    ...colorProperties(theme, resolve),
    "--size": `${baseSize}px`,
    "--font":
      fontFamily ?? "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "--mono": fontFamilyMono ?? "ui-monospace, 'SF Mono', Menlo, Consolas, monospace",
    "--control-radius": control,
    "--card-radius": card,
    "--bubble-radius": bubble,
    "--space": `${4 * DENSITY[theme.density ?? "normal"]}px`,
  };
}

function colorProperties(theme: ThemeOption, resolve: ResolveColor): Record<string, string> {
  const scheme = SCHEMES[theme.colorScheme ?? "light"];
  const { surface, accent: accentOption, grayscale } = theme.color ?? {};
  const tone = grayscale ? resolve(`hsl(${grayscale.hue} 60% 50%)`) : null;
  const tint = tone ? (grayscale?.tint ?? 0) / 100 : 0;
  const tinted = (color: RGB) => (tone ? mix(tone, color, tint) : color);
  const background = own(surface?.background) ?? tinted(scheme.background);
  const foreground = own(surface?.foreground) ?? tinted(scheme.foreground);
  const accent = own(accentOption?.primary) ?? scheme.accent;
  const raised = mix(foreground, background, 0.055);
  const text = [background, raised];
  const properties: Record<string, RGB> = {
    bg: background,
    fg: foreground,
    raised,
    hover: mix(foreground, background, 0.1),
    border: mix(foreground, background, 0.14),
    // Edges of controls must be told from their surroundings by 3 to 1.
    edge: readable(mix(foreground, background, 0.3), [background], foreground, 3.05),
    muted: readable(mix(foreground, background, 0.62), text, foreground),
    link: readable(accent, text, foreground),
    accent,
    "on-accent": contrast(WHITE, accent) >= 4.5 ? WHITE : BLACK,
    "accent-soft": mix(accent, background, 0.13),
    "on-accent-soft": readable(accent, [mix(accent, background, 0.13)], foreground),
    danger: readable(scheme.danger, [background, mix(scheme.danger, background, 0.1)], foreground),
    "danger-soft": mix(scheme.danger, background, 0.1),
    warning: readable(scheme.warning, text, foreground),
    "warning-soft": mix(scheme.warning, background, 0.1),
  };
  return Object.fromEntries(
    Object.entries(properties).map(([name, color]) => [`--${name}`, formatColor(color)]),
  );

  function own(color: string | undefined): RGB | null {
    return color ? resolve(color) : null;
  }
}
