/** Whether the page is light or dark, however it says so. */

export type Scheme = "light" | "dark";

const DARK = "(prefers-color-scheme: dark)";

/** What the script tag says, or else what the page looks like. */
export function readScheme(choice: string | undefined): Scheme {
  if (choice === "light" || choice === "dark") return choice;
  const probe = document.createElement("span");
  // The browser's own ground, for pages that paint none: dark where the page allows that.
  probe.style.backgroundColor = "Canvas";
  document.body.append(probe);
  const grounds = [document.body, document.documentElement, probe].map((element) =>
    lightness(getComputedStyle(element).backgroundColor),
  );
  probe.remove();
  return (grounds.find((ground) => ground !== null) ?? 1) < 0.5 ? "dark" : "light";
}

/** Calls `changed` when it may have changed: classes and attributes switch most sites. */
export function watchScheme(changed: () => void): void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true });
  observer.observe(document.body, { attributes: true });
  matchMedia(DARK).addEventListener("change", changed);
  // A ground that fades has its old colour at first.
  document.addEventListener("transitionend", ({ target }) => {
    if (target === document.body || target === document.documentElement) changed();
  });
}

/**
 * Of a computed colour, from 0 to 1; `null` where it lets most of what is behind it through.
 * Not by painting it on a canvas: browsers that hide what makes them known give other pixels back.
 */
export function lightness(color: string): number | null {
  const [, space = "", values = ""] = /^([a-z]+)\((?:[a-z][\w-]* )?(.*)\)$/.exec(color) ?? [];
  const [first = 0, second = 0, third = 0, alpha = 1] = values.split(/[\s,/]+/).map(Number);
  if (!space || Number.isNaN(first) || alpha < 0.5) return null;
  if (space.startsWith("ok")) return first;
  if (space.startsWith("l")) return first / 100;
  return (0.2126 * first + 0.7152 * second + 0.0722 * third) / (space === "color" ? 1 : 255);
}
