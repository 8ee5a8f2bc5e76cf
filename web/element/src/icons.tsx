/** Line icons, drawn on a grid of 24. */

export const ICONS = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M8 8h8v8H8z",
  compose: "M12 20h8M16.6 4.4a2 2 0 0 1 2.9 2.9L8 18.8 4 20l1.2-4z",
  history: "M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.4M3.5 4v4.4h4.4M12 7.5V12l3 2",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  trash: "M4 7h16M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 11v5M14 11v5",
  copy: "M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9",
  check: "M5 12.5l4.5 4.5L19 7.5",
  search: "M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM16 16l4 4",
  spark: "M12 4l1.9 6.1L20 12l-6.1 1.9L12 20l-1.9-6.1L4 12l6.1-1.9z",
  good: "M7.5 20V10.5l4-7c1.6 0 2.4 1 2.1 2.6L13 9.5h5.2a1.8 1.8 0 0 1 1.8 2.2l-1.4 6.8a2 2 0 0 1-2 1.5zM7.5 10.5H4V20h3.5",
  bad: "M16.5 4v9.5l-4 7c-1.6 0-2.4-1-2.1-2.6l.6-3.4H5.8A1.8 1.8 0 0 1 4 12.3l1.4-6.8a2 2 0 0 1 2-1.5zM16.5 13.5H20V4h-3.5",
  down: "M12 5v14M5.5 12.5 12 19l6.5-6.5",
  unfold: "M7 10l5 5 5-5",
  alert: "M12 8v5M12 16.5v.01M12 3.5l9 16H3z",
  info: "M12 11v5.5M12 7.5v.01M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z",
  menu: "M4 7h16M4 12h16M4 17h16",
  dots: "M6 12h.01M12 12h.01M18 12h.01",
  book: "M12 6.5C10 5 7 4.5 3.5 5v13.5c3.5-.5 6.5 0 8.5 1.5 2-1.5 5-2 8.5-1.5V5C17 4.5 14 5 12 6.5zM12 6.5V20",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  home: "M4 11l8-7 8 7M6 9.5V20h12V9.5",
  file: "M13.5 3.5H6v17h12V8zM13.5 3.5V8H18",
  retry: "M20 11.5a8 8 0 1 0-2.3 6.2M20 5.5v6h-6",
} as const;

export type IconName = keyof typeof ICONS;

/** Names of the published interface that mean one of ours. */
const ALIASES: Record<string, IconName> = {
  "circle-question": "info",
  "book-open": "book",
  "book-closed": "book",
  notebook: "book",
  document: "book",
  "home-alt": "home",
  "back-small": "back",
  "back-large": "back",
  "chevron-left": "back",
  "dots-horizontal": "dots",
  "light-mode": "light",
  "dark-mode": "dark",
  hamburger: "menu",
  sparkle: "spark",
  "sparkle-double": "spark",
  write: "compose",
};

export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" class="icon" data-icon={name} aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}

/** The icon that an option asks for, as far as there is one. */
export function findIcon(name: string | undefined): IconName | null {
  if (name === undefined) return null;
  const key = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  return key && Object.hasOwn(ICONS, key) ? (key as IconName) : null;
}
