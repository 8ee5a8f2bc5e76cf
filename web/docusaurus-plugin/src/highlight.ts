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
  const { styles } = (dark ? darkTheme : theme) ?? theme ?? { styles: [] };
  return (code, language) => {
    const grammar = Prism.languages[language];
    if (!grammar) return null;
    return normalizeTokens(Prism.tokenize(code, grammar)).flatMap((line, index) => [
      ...(index === 0 ? [] : [{ text: "\n" }]),
      ...line.map(({ content, types }) => ({
        text: content,
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
