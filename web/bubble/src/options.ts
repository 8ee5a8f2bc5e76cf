/** Reads the script tag's attributes, and what the page configured after them. */

import type { StartScreenPrompt } from "@openai/chatkit";

import type { PanelOptions } from "./shell.js";

/** Lists and scalars of later options replace those of earlier ones; objects are merged. */
export function readOptions(
  dataset: DOMStringMap,
  configured: readonly PanelOptions[],
): PanelOptions & { api: object } {
  const { greeting, prompts, placeholder, locale, disclaimer } = dataset;
  const own = {
    api: {},
    ...(locale && { locale }),
    startScreen: { ...(greeting && { greeting }), prompts: readPrompts(prompts) },
    composer: { ...(placeholder && { placeholder }) },
    ...(disclaimer && { disclaimer: { text: disclaimer } }),
  } as PanelOptions & { api: object };
  return configured.reduce<typeof own>(merge, own);
}

/** Questions with `|` between them, or JSON where a label differs from what is asked. */
export function readPrompts(text = ""): StartScreenPrompt[] {
  let found: unknown = text.split("|");
  if (text.trimStart().startsWith("[")) {
    try {
      found = JSON.parse(text);
    } catch (error) {
      console.error("chatkit: data-prompts is not JSON", error);
      return [];
    }
  }
  return (found as unknown[]).flatMap((prompt) => {
    if (typeof prompt === "string") {
      const label = prompt.trim();
      return label ? [{ label, prompt: label }] : [];
    }
    const { label, prompt: asked } = (prompt ?? {}) as { label?: unknown; prompt?: unknown };
    return typeof label === "string" && typeof asked === "string" ? [{ label, prompt: asked }] : [];
  });
}

function merge<T extends object>(under: T, over: Partial<T>): T {
  const merged = { ...under } as Record<string, unknown>;
  for (const [name, value] of Object.entries(over)) {
    const known = merged[name];
    merged[name] = isObject(known) && isObject(value) ? merge(known, value) : value;
  }
  return merged as T;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
