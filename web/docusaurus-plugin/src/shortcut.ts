const MODIFIERS = ["ctrl", "shift", "meta"];
const NAMES: Record<string, string> = { ctrl: "Control", shift: "Shift", meta: "Meta" };

/**
 * A shortcut as the page compares it with the keys that are pressed: "mod+i" is `["ctrl+i", "meta+i"]`,
 * so that no page has to find out which system it is on. Throws a sentence that says what is wrong.
 */
export function parseShortcut(shortcut: string): string[] {
  const keys = shortcut.toLowerCase().split("+");
  const key = keys.pop() ?? "";
  const unknown = keys.find((name) => name !== "mod" && !MODIFIERS.includes(name));
  if (unknown !== undefined || !/^(?:[a-z0-9.,;'`]|f[1-9]|f1[0-2])$/.test(key)) {
    throw new Error('must be a key after "mod", "ctrl", "meta" or "shift", such as "mod+i"');
  }
  // A letter alone would open the chat while the reader types, and it is taken by screen readers.
  if (key.length === 1 && !keys.some((name) => name !== "shift")) {
    throw new Error('needs "mod", "ctrl" or "meta" before the key');
  }
  if (key === "k") throw new Error("belongs to the site's search");
  const systems = keys.includes("mod") ? ["ctrl", "meta"] : [""];
  return systems.map((system) =>
    [...MODIFIERS.filter((name) => name === system || keys.includes(name)), key].join("+"),
  );
}

/** For `aria-keyshortcuts`. */
export function spokenShortcut(shortcuts: readonly string[]): string {
  const name = (key: string) => NAMES[key] ?? key.toUpperCase();
  return shortcuts.map((keys) => keys.split("+").map(name).join("+")).join(" ");
}
