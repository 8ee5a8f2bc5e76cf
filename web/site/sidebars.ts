import type { SidebarsConfig } from "@docusaurus/plugin-content-docs";

const sidebars: SidebarsConfig = {
  docs: [
    "getting-started",
    "configuration",
    "indexing",
    {
      type: "category",
      label: "Connect",
      collapsed: false,
      items: ["neon", "qdrant", "existing-collections", "models", "docusaurus", "other-sites"],
    },
    {
      type: "category",
      label: "Run",
      collapsed: false,
      items: [
        "identity-and-security",
        "attachments",
        "limits",
        "tools",
        "store-conformance",
        "operations",
        "watching",
        "data",
        "evaluate",
      ],
    },
    {
      type: "category",
      label: "Understand",
      collapsed: false,
      items: ["how-a-turn-works", "endpoints", "compatibility", "search-quality", "sdk-traps", "faults", "performance"],
    },
  ],
};

export default sidebars;
