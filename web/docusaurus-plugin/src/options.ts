import type { OptionValidationContext } from "@docusaurus/types";
import { Joi } from "@docusaurus/utils-validation";

/** A question offered while the chat is still empty. */
export type Prompt = string | { label: string; prompt: string };

/** What the site's author may write in `docusaurus.config`. */
export interface Options {
  id?: string;
  /** Where the ChatKit server answers: a path on the site's own host, or an address. */
  url: string;
  /** Which chat the bubble opens. `auto` means `self-hosted`: nothing comes from a third party. */
  ui?: "auto" | "self-hosted";
  /** The name of the bubble and of the chat. */
  title?: string;
  greeting?: string;
  prompts?: Prompt[];
  placeholder?: string;
  position?: "bottom-right" | "bottom-left";
}

/** The options as they are once defaults are filled in. */
export type ValidOptions = Required<Omit<Options, "id">> & { id: string };

const text = Joi.string().trim().min(1);

const prompt = Joi.alternatives(
  text,
  Joi.object({ label: text.required(), prompt: text.required() }),
).messages({
  "alternatives.match": "{#label} must be a question, or an object with a label and a prompt.",
  "alternatives.types": "{#label} must be a question, or an object with a label and a prompt.",
});

const schema = Joi.object<ValidOptions>({
  url: Joi.string()
    // A path without the leading slash would mean another address on every page.
    .pattern(/^(?:\/(?!\/)|https?:\/\/[^/\s@]+(?:\/|$))\S*$/)
    .required()
    .messages({
      "any.required":
        'The option "url" is missing: where does the ChatKit server answer? ' +
        'Give a path such as "/chatkit" or an address such as "https://chat.example.com/chatkit".',
      "string.pattern.base":
        'The option "url" is {:[.]}; it must be a path that begins with "/" ' +
        "or an http(s) address without a user name.",
    }),
  ui: Joi.string()
    .valid("auto", "self-hosted")
    .default("auto")
    .messages({
      "any.only":
        'The option "ui" is {:[.]}; it must be "auto" or "self-hosted". ' +
        "OpenAI's own chat UI cannot be opened by this version.",
    }),
  title: text.default("Ask the docs"),
  greeting: text.default("What would you like to know?"),
  prompts: Joi.array().items(prompt).default([]),
  placeholder: text.default("Ask a question"),
  position: Joi.string().valid("bottom-right", "bottom-left").default("bottom-right"),
});

export function validateOptions({
  validate,
  options,
}: OptionValidationContext<Options, ValidOptions>): ValidOptions {
  return validate(schema, options);
}
