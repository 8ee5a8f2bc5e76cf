import type { PrismTheme } from "prism-react-renderer";

// Prism's own themes have colours that are too faint on a tinted ground for WCAG AA.
const colors = {
  light: {
    text: "#1c2b29",
    ground: "#f4f7f6",
    comment: "#56625f",
    keyword: "#6d28d9",
    string: "#166534",
    number: "#9a3412",
    name: "#0b5f58",
    call: "#1d4ed8",
  },
  dark: {
    text: "#e3e9e8",
    ground: "#18211f",
    comment: "#9fb0ad",
    keyword: "#c4b5fd",
    string: "#86efac",
    number: "#fdba74",
    name: "#5eead4",
    call: "#93c5fd",
  },
};

export function codeTheme(scheme: keyof typeof colors): PrismTheme {
  const { text, ground, comment, keyword, string, number, name, call } = colors[scheme];
  return {
    plain: { color: text, backgroundColor: ground },
    styles: [
      { types: ["comment", "prolog", "doctype", "cdata"], style: { color: comment } },
      { types: ["keyword", "builtin", "operator", "atrule"], style: { color: keyword } },
      { types: ["string", "char", "attr-value", "url", "inserted"], style: { color: string } },
      { types: ["number", "boolean", "constant", "symbol", "deleted"], style: { color: number } },
      { types: ["property", "key", "variable", "attr-name", "tag"], style: { color: name } },
      { types: ["function", "class-name", "selector"], style: { color: call } },
    ],
  };
}
