/** Colours as numbers, to keep every text readable on any theme. */

export type RGB = readonly [number, number, number];

/** Reads `#rrggbb`, `rgb()` and `color(srgb …)`, the forms in which browsers compute colours. */
export function parseColor(text: string): RGB | null {
  const hex = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(text.trim())?.[1];
  if (hex) {
    const digits = hex.length === 3 ? hex.replace(/./g, "$&$&") : hex;
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16)) as unknown as RGB;
  }
  const match = /^(rgba?|color)\((?:srgb )?([^)]+)\)$/.exec(text.trim());
  const numbers = match?.[2]?.split(/[\s,/]+/).map(Number) ?? [];
  const [r = NaN, g = NaN, b = NaN, alpha = 1] = numbers;
  if (!match || [r, g, b].some(Number.isNaN) || alpha === 0) return null;
  const scale = match[1] === "color" ? 255 : 1;
  return [r * scale, g * scale, b * scale];
}

/** A colour by how light, how strong and of which hue it is to the eye, as CSS has it. */
export function oklch(lightness: number, chroma: number, hue: number): RGB {
  const angle = (hue * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((part) => {
    const shown = part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055;
    return Math.min(Math.max(shown, 0), 1) * 255;
  }) as unknown as RGB;
}

export function formatColor(color: RGB): string {
  return `rgb(${color.map((part) => Math.round(part)).join(" ")})`;
}

/** `amount` of `over` on `under`, from 0 to 1. */
export function mix(over: RGB, under: RGB, amount: number): RGB {
  return over.map((part, i) => part * amount + (under[i] ?? 0) * (1 - amount)) as unknown as RGB;
}

export function contrast(a: RGB, b: RGB): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** `color`, moved towards `strong` until it stands out on every background by `ratio`. */
export function readable(color: RGB, backgrounds: readonly RGB[], strong: RGB, ratio = 4.6): RGB {
  for (let amount = 0; amount < 1; amount += 0.05) {
    const candidate = mix(strong, color, amount);
    if (backgrounds.every((background) => contrast(candidate, background) >= ratio)) {
      return candidate;
    }
  }
  return strong;
}

export function luminance(color: RGB): number {
  const [r = 0, g = 0, b = 0] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
