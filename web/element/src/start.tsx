/** What a new thread shows: a greeting and questions to begin with. */

import type { StartScreenPrompt } from "@openai/chatkit";

import { findIcon, Icon } from "./icons.js";
import { strings } from "./strings.js";

interface StartProps {
  greeting: string | undefined;
  prompts: readonly StartScreenPrompt[];
  onPrompt: (prompt: StartScreenPrompt["prompt"]) => void;
}

export function Start({ greeting, prompts, onPrompt }: StartProps) {
  return (
    <div class="start">
      <div class="column">
        <h2>
          <bdi>{greeting ?? strings.greeting}</bdi>
        </h2>
        {prompts.length > 0 && (
          <ul>
            {prompts.map(({ label, prompt, icon }) => (
              <li key={label}>
                <button type="button" class="prompt" onClick={() => onPrompt(prompt)}>
                  <Icon name={findIcon(icon) ?? "spark"} />
                  <bdi>{label}</bdi>
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
