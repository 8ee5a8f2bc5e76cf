import type { SidebarsConfig } from "@docusaurus/plugin-content-docs";

const sidebars: SidebarsConfig = {
  docs: [
    {
      type: "category",
      label: "Start",
      collapsed: false,
      items: ["getting-started", "configuration", "moving", "troubleshooting"],
    },
    {
      type: "category",
      label: "Use it on a site",
      collapsed: false,
      items: ["docusaurus", "other-sites", "attachments", "identity-and-security", "threat-model"],
    },
    {
      type: "category",
      label: "Answer from your docs",
      collapsed: false,
      items: ["indexing", "existing-collections", "models", "evaluate"],
    },
    {
      type: "category",
      label: "Operate",
      collapsed: false,
      items: [
        "neon",
        "qdrant",
        "docker",
        "hosting",
        "kubernetes",
        "operations",
        "scaling",
        "watching",
        "data",
        "limits",
        "costs",
      ],
    },
    {
      type: "category",
      label: "Extend",
      collapsed: false,
      items: ["tools", "widgets", "testing", "your-own-app", "store-conformance"],
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
