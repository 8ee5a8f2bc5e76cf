import type { Highlight } from "@docs-chatkit/element";
import siteConfig from "@generated/docusaurus.config";
import { normalizeTokens, Prism, type PrismTheme } from "prism-react-renderer";

interface PrismConfig {
  theme?: PrismTheme;
  darkTheme?: PrismTheme;
}

/** Colours code with the languages and the theme of the site's own code blocks. */
export function siteHighlight(dark: boolean): Highlight {
  const { theme, darkTheme } = (siteConfig.themeConfig.prism ?? {}) as PrismConfig;
  const { plain, styles } = (dark ? darkTheme : theme) ?? theme ?? { plain: {}, styles: [] };
  // A site that names no theme has dark blocks of code on light pages; the chat has none.
  const isReadable = isDark(plain.backgroundColor) === dark;
  return (code, language) => {
    const grammar = Prism.languages[language];
    if (!grammar || !isReadable) return null;
    return normalizeTokens(Prism.tokenize(code, grammar)).flatMap((line, index) => [
      ...(index === 0 ? [] : [{ text: "\n" }]),
      ...line.map(({ content, types, empty }) => ({
        // Of an empty line it is a line break, which stands between the lines already.
        text: empty ? "" : content,
        style: Object.assign(
          {},
          ...styles
            .filter(
              (entry) =>
                entry.types.some((type) => types.includes(type)) &&
                (entry.languages?.includes(language) ?? true),
            )
            .map(({ style }) => style),
        ) as Record<string, string>,
      })),
    ]);
  };
}

function isDark(color = "white"): boolean {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = color;
  const [red = 0, green = 0, blue = 0] =
    getComputedStyle(probe)
      .color.match(/[\d.]+/g)
      ?.map(Number) ?? [];
  probe.remove();
  return 0.3 * red + 0.59 * green + 0.11 * blue < 128;
}
