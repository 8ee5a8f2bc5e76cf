/** What stands on a ground of its own gets colours that can be read there. */

import type { ThemeOption } from "@openai/chatkit";
import { createContext } from "preact";
import { useContext, useMemo } from "preact/hooks";

import { contrast, formatColor, parseColor, type RGB } from "../color.js";
import { themeProperties } from "../theme.js";
import { background, type Scheme, type Style, tones } from "./values.js";

/** Custom properties of a theme. */
export type Theme = Readonly<Record<string, string>>;

const WHITE: RGB = [255, 255, 255];
const BLACK: RGB = [0, 0, 0];

/** The theme of the ground that a component stands on. */
export const GroundScope = createContext<Theme>({});

/** The colours of another theme; fonts, radius and density stay as they are. */
export function colorsOf(option: ThemeOption, around: Theme): Style {
  const accent = { primary: around["--accent"] ?? "", level: 1 as const };
  const own = themeProperties({ ...option, color: { accent, ...option.color } }, parseColor);
  const colors = Object.entries(own).filter(
    ([name, value]) => name === "color-scheme" || value.startsWith("rgb("),
  );
  return { ...Object.fromEntries(colors), ...tones({ ...around, ...own }) };
}

/** The colours of what stands on a ground: one of black and white can be read on any. */
export function colorsOn(ground: RGB, around: Theme): Style {
  const isDark = contrast(WHITE, ground) > contrast(BLACK, ground);
  const surface = {
    background: formatColor(ground),
    foreground: formatColor(isDark ? WHITE : BLACK),
  };
  return colorsOf({ colorScheme: isDark ? "dark" : "light", color: { surface } }, around);
}

/** The theme inside of a component with this background, and what it sets where that is another. */
export function useGround(value: unknown, scheme: Scheme): { theme: Theme; style: Style } {
  const around = useContext(GroundScope);
  const { backgroundColor = "" } = background(value, scheme);
  return useMemo(() => {
    // Tokens are of the theme already; of a name or a gradient nothing is known.
    const ground = parseColor(backgroundColor);
    if (!ground) return { theme: around, style: {} };
    const style = colorsOn(ground, around);
    return { theme: { ...around, ...style }, style: { ...style, color: "var(--fg)" } };
  }, [backgroundColor, around]);
}
