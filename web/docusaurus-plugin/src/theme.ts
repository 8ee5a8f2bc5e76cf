import type { ThemeOption } from "@openai/chatkit";

let known = "";
let theme: ThemeOption = {};

/** The site's look as the chat's theme; the same object until the look changes. */
export function readTheme(): ThemeOption {
  const root = document.documentElement;
  // A custom property may name another one; a colour that an element really has names none, and a
  // length is in pixels.
  const probe = document.body.appendChild(document.createElement("span"));
  const style = getComputedStyle(probe);
  const color = (value: string): string => {
    probe.style.color = value;
    return style.color;
  };
  probe.style.borderTopLeftRadius = "var(--ifm-global-radius, 6px)";
  const font = style.getPropertyValue("--chatkit-font").trim();
  const read: ThemeOption = {
    colorScheme: root.dataset.theme === "dark" ? "dark" : "light",
    radius: radiusOf(parseFloat(style.borderTopLeftRadius)),
    typography: {
      fontFamily: font || style.fontFamily,
      fontFamilyMono: style.getPropertyValue("--ifm-font-family-monospace"),
    },
    color: {
      accent: { primary: color("var(--chatkit-accent, var(--ifm-color-primary))"), level: 1 },
      // Not --ifm-background-color, which is transparent in Infima's light theme.
      surface: {
        background: color("var(--chatkit-background, var(--ifm-background-surface-color))"),
        foreground: color("var(--chatkit-text, var(--ifm-font-color-base))"),
      },
    },
  };
  probe.remove();
  const text = JSON.stringify(read);
  if (text !== known) {
    known = text;
    theme = read;
  }
  return theme;
}

/** Infima's own 6.4 pixels are "round". */
function radiusOf(pixels: number): NonNullable<ThemeOption["radius"]> {
  if (pixels < 2) return "sharp";
  if (pixels < 5) return "soft";
  return pixels < 14 ? "round" : "pill";
}

/**
 * Calls `changed` whenever the site's look may have changed: the reader switches between light and
 * dark, or a script of the site sets a class, an attribute, a custom property or a style sheet.
 */
export function watchTheme(changed: () => void): () => void {
  let frame = 0;
  const soon = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(changed);
  };
  const observer = new MutationObserver(soon);
  observer.observe(document.documentElement, { attributes: true });
  observer.observe(document.body, { attributeFilter: ["class", "style"] });
  observer.observe(document.head, { childList: true, subtree: true, characterData: true });
  // A style sheet is there some time after its link.
  document.head.addEventListener("load", soon, true);
  const contrast = matchMedia("(prefers-contrast: more)");
  contrast.addEventListener("change", soon);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
    document.head.removeEventListener("load", soon, true);
    contrast.removeEventListener("change", soon);
  };
}
