import type { ThemeOption } from "@openai/chatkit";

let known = "";
let theme: ThemeOption = {};

/** The site's look as the chat's theme; the same object until the look changes. */
export function readTheme(): ThemeOption {
  const root = document.documentElement;
  // A custom property may name another one or be written in any notation; a colour that an element
  // really has is always rgb.
  const probe = document.body.appendChild(document.createElement("span"));
  const style = getComputedStyle(probe);
  const color = (property: string): string => {
    probe.style.color = `var(${property})`;
    return style.color;
  };
  const read: ThemeOption = {
    colorScheme: root.dataset.theme === "dark" ? "dark" : "light",
    radius: "round",
    typography: {
      fontFamily: style.fontFamily,
      fontFamilyMono: style.getPropertyValue("--ifm-font-family-monospace"),
    },
    color: {
      accent: { primary: color("--ifm-color-primary"), level: 1 },
      // Not --ifm-background-color, which is transparent in Infima's light theme.
      surface: {
        background: color("--ifm-background-surface-color"),
        foreground: color("--ifm-font-color-base"),
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

/** Calls `changed` whenever the reader switches between light and dark. */
export function watchTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => {
    observer.disconnect();
  };
}
