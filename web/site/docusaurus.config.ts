import type { Config, Plugin } from "@docusaurus/types";
import type * as Preset from "@docusaurus/preset-classic";

import { codeTheme } from "./src/code";

/** `npm start` serves the pages itself and leaves the chat to a server that runs beside it. */
function developmentProxy(): Plugin {
  const server = process.env.CHATKIT_SERVER ?? "http://127.0.0.1:8000";
  return {
    name: "development-proxy",
    configureWebpack: () =>
      // Webpack's configuration doesn't know its development server's key; Docusaurus reads it.
      ({
        devServer: {
          // Compression would hold an answer back until it is complete.
          compress: false,
          proxy: [{ context: ["/chatkit"], target: server }],
        },
      }) as object,
  };
}

/** The demo imports the built chat by its address, which the bundler of the pages' HTML warns of. */
function elementByAddress(): Plugin {
  return {
    name: "element-by-address",
    configureWebpack: (_config, isServer) =>
      isServer ? { module: { parser: { javascript: { exprContextCritical: false } } } } : {},
  };
}

const config: Config = {
  title: "ChatKit for docs",
  tagline: "Answers from your documentation, cited to the heading, on servers of your own.",
  favicon: "img/favicon.svg",
  url: process.env.SITE_URL ?? "http://localhost:8000",
  baseUrl: process.env.SITE_BASE_URL ?? "/",
  // The second is what scripts/copy-element.mjs makes.
  staticDirectories: ["static", ".generated"],
  onBrokenLinks: "throw",
  onBrokenAnchors: "throw",
  onDuplicateRoutes: "throw",
  markdown: {
    hooks: { onBrokenMarkdownLinks: "throw", onBrokenMarkdownImages: "throw" },
  },
  i18n: { defaultLocale: "en", locales: ["en"] },
  presets: [
    [
      "classic",
      {
        docs: { sidebarPath: "./sidebars.ts" },
        blog: false,
        theme: { customCss: "./src/css/custom.css" },
      } satisfies Preset.Options,
    ],
  ],
  plugins: [
    // Left out to measure what it costs, see scripts/measure-bubble.mjs.
    !process.env.WITHOUT_CHAT && [
      "docusaurus-plugin-chatkit",
      {
        url: "/chatkit",
        title: "Ask the docs",
        greeting: "What would you like to know?",
        placeholder: "Ask about chatkit-server",
        prompts: [
          "How do I connect it to Neon?",
          "Does it work without an OpenAI key?",
          "How do I put the bubble on my own site?",
          "Who can read a visitor's threads?",
        ],
      },
    ],
    developmentProxy,
    elementByAddress,
  ],
  themeConfig: {
    colorMode: { respectPrefersColorScheme: true },
    navbar: {
      title: "ChatKit for docs",
      logo: { alt: "", src: "img/logo.svg", srcDark: "img/logo-dark.svg" },
      items: [
        { type: "docSidebar", sidebarId: "docs", position: "left", label: "Docs" },
        { to: "/docs/configuration", label: "Configuration", position: "left" },
        { to: "/docs/how-a-turn-works", label: "How it works", position: "left" },
        { to: "/docs/performance", label: "Measured", position: "left" },
      ],
    },
    footer: {
      links: [
        {
          title: "Start",
          items: [
            { label: "Getting started", to: "/docs/getting-started" },
            { label: "Configuration", to: "/docs/configuration" },
            { label: "Docusaurus", to: "/docs/docusaurus" },
            { label: "Other sites", to: "/docs/other-sites" },
          ],
        },
        {
          title: "Connect",
          items: [
            { label: "Neon", to: "/docs/neon" },
            { label: "Qdrant", to: "/docs/qdrant" },
            { label: "Models", to: "/docs/models" },
          ],
        },
        {
          title: "Run",
          items: [
            { label: "Identity and security", to: "/docs/identity-and-security" },
            { label: "Operations", to: "/docs/operations" },
            { label: "Endpoints", to: "/docs/endpoints" },
          ],
        },
        {
          title: "Understand",
          items: [
            { label: "How a turn works", to: "/docs/how-a-turn-works" },
            { label: "Search quality", to: "/docs/search-quality" },
            { label: "Faults", to: "/docs/faults" },
            { label: "Performance", to: "/docs/performance" },
          ],
        },
      ],
      copyright: "MIT licence. It implements the ChatKit protocol; it is not a product of OpenAI.",
    },
    prism: {
      theme: codeTheme("light"),
      darkTheme: codeTheme("dark"),
      additionalLanguages: ["bash", "docker", "ini", "json", "sql"],
    },
  } satisfies Preset.ThemeConfig,
};

export default config;
