/** What the options say about the parts of a message that lead elsewhere. */

import type { Entity, EntitiesOption } from "@openai/chatkit";

import type { MarkdownRules } from "./markdown.js";
import type { DocsChatKitOptions } from "./options.js";

type RequestPreview = NonNullable<EntitiesOption["onRequestPreview"]>;

interface RulesHost {
  imageDomains: readonly string[];
  onDeeplink: MarkdownRules["onDeeplink"];
  preview: (mark: HTMLElement, entity: Entity, request: RequestPreview) => void;
}

export function makeRules(options: DocsChatKitOptions, host: RulesHost): MarkdownRules {
  const { imageDomains, onDeeplink, preview } = host;
  const { highlight, entities } = options;
  const open = entities?.onClick;
  const request = entities?.onRequestPreview;
  return {
    imageDomains,
    ...(highlight && { highlight }),
    onDeeplink,
    ...(open && { onEntity: (entity) => open(asEntity(entity)) }),
    ...(request && {
      onPreview: (mark, entity) => {
        preview(mark, asEntity(entity), request);
      },
    }),
  };
}

type Cited = Parameters<NonNullable<MarkdownRules["onEntity"]>>[0];

function asEntity({ id, title = id, icon, interactive, group, data }: Cited): Entity {
  // The interface promises texts; what the server sent is what comes.
  return { id, title, icon, interactive, group, data } as Entity;
}
