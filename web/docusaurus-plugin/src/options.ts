import type { OptionValidationContext } from "@docusaurus/types";
import { Joi } from "@docusaurus/utils-validation";
import type { ChatKitOptions, FileUploadStrategy, ThemeOption } from "@openai/chatkit";

import { nearest } from "./nearest";
import { parseShortcut } from "./shortcut";

/** A question offered while the chat is still empty. */
export type Prompt = string | { label: string; prompt: string };

/** Pixels, or a CSS length. */
export type Length = number | string;

/** What the site's author may write in `docusaurus.config`. */
export interface Options {
  id?: string;
  /** Where the ChatKit server answers: a path on the site's own host, or an address. */
  url: string;
  /**
   * Which chat the bubble opens. `auto` means OpenAI's where there is a `domainKey` and ours where
   * there is none, or where OpenAI's does not load. With ours nothing comes from a third party.
   */
  ui?: "auto" | "openai" | "self-hosted";
  /** The public key of the site's domain, which OpenAI's UI asks for. */
  domainKey?: string;
  /** The name of the bubble and of the chat. */
  title?: string;
  greeting?: string;
  prompts?: Prompt[];
  placeholder?: string;
  position?: "bottom-right" | "bottom-left";
  /** How far the bubble is from the edges. */
  offset?: { x?: Length; y?: Length };
  /** Opens and closes the chat, as "mod+i", where "mod" is Ctrl or ⌘. */
  shortcut?: string | false;
  /** Whether addresses with `#ask` or `?ask=question` open the chat. */
  openByLink?: boolean;
  /** Whether a text that is marked on a page can be asked about. */
  askSelection?: boolean;
  /** Load and store nothing before the site says `chatkit:consent`. */
  consent?: boolean;
  /** A module of the site whose default export is a `Setup`. */
  setup?: string;
  theme?: Pick<ThemeOption, "radius" | "density"> & {
    baseSize?: NonNullable<ThemeOption["typography"]>["baseSize"];
  };
  composer?: Pick<
    NonNullable<ChatKitOptions["composer"]>,
    "attachments" | "tools" | "models" | "dictation"
  >;
  uploadStrategy?: FileUploadStrategy;
  history?: ChatKitOptions["history"];
  threadItemActions?: ChatKitOptions["threadItemActions"];
  disclaimer?: ChatKitOptions["disclaimer"];
}

/** Options that are left out when the author leaves them out. */
type Passed =
  | "domainKey"
  | "title"
  | "greeting"
  | "placeholder"
  | "offset"
  | "setup"
  | "theme"
  | "composer"
  | "uploadStrategy"
  | "history"
  | "threadItemActions"
  | "disclaimer";

/** The options as they are once defaults are filled in. */
export type ValidOptions = Required<Omit<Options, Passed | "id">> &
  Pick<Options, Passed> & { id: string };

/** Characters of a wrong value that are told. */
const LONGEST_SHOWN = 60;

const text = Joi.string().trim().min(1);

// A path without the leading slash would mean another address on every page.
const address = Joi.string().pattern(/^(?:\/(?!\/)|https?:\/\/[^/\s@]+(?:\/|$))\S*$/);

const prompt = Joi.alternatives(
  text,
  Joi.object({ label: text.required(), prompt: text.required() }),
).messages({
  "alternatives.match": "{#label} must be a question, or an object with a label and a prompt.",
  "alternatives.types": "{#label} must be a question, or an object with a label and a prompt.",
});

const length = Joi.alternatives(
  Joi.number().min(0),
  Joi.string().pattern(/^\d+(?:\.\d+)?(?:px|r?em|v[wh]|%)$/),
).messages(
  Object.fromEntries(
    ["alternatives.types", "string.pattern.base", "number.min"].map((problem) => [
      problem,
      '{#label} is {:[.]}; it must be a number of pixels or a CSS length such as "1.25rem".',
    ]),
  ),
);

const choice = {
  id: text.required(),
  label: text.required(),
  disabled: Joi.boolean(),
};

const schema = Joi.object<ValidOptions>({
  url: address.required().messages({
    "any.required":
      'The option "url" is missing: where does the ChatKit server answer? ' +
      'Give a path such as "/chatkit" or an address such as "https://chat.example.com/chatkit".',
    "string.pattern.base":
      'The option "url" is {:[.]}; it must be a path that begins with "/" ' +
      "or an http(s) address without a user name.",
  }),
  ui: Joi.string().valid("auto", "openai", "self-hosted").default("auto").messages({
    "any.only": 'The option "ui" is {:[.]}; it must be "auto", "openai" or "self-hosted".',
  }),
  domainKey: text
    .when("ui", {
      is: "openai",
      then: Joi.required(),
      otherwise: Joi.optional(),
    })
    .messages({
      "any.required":
        'The option "ui" is "openai", and "domainKey" is missing: OpenAI\'s chat opens only on a ' +
        "domain that is registered with OpenAI, and with the key given for it. Give the key, or " +
        'leave "ui" out to use the chat that comes with this plugin.',
    }),
  title: text,
  greeting: text,
  prompts: Joi.array().items(prompt).default([]),
  placeholder: text,
  position: Joi.string().valid("bottom-right", "bottom-left").default("bottom-right"),
  offset: Joi.object({ x: length, y: length }),
  shortcut: Joi.alternatives(
    Joi.valid(false),
    text.custom((value: string, { error }) => {
      try {
        parseShortcut(value);
        return value;
      } catch (reason) {
        return error("any.custom", { reason: (reason as Error).message });
      }
    }),
  )
    .default(false)
    .messages({ "any.custom": 'The option "shortcut" is {:[.]}; it {#reason}.' }),
  openByLink: Joi.boolean().default(true),
  askSelection: Joi.boolean().default(true),
  consent: Joi.boolean().default(false),
  setup: text,
  theme: Joi.object({
    radius: Joi.string().valid("pill", "round", "soft", "sharp"),
    density: Joi.string().valid("compact", "normal", "spacious"),
    baseSize: Joi.number().valid(14, 15, 16, 17, 18),
  }),
  composer: Joi.object({
    attachments: Joi.object({
      enabled: Joi.boolean().required(),
      maxSize: Joi.alternatives(
        Joi.number().integer().positive(),
        Joi.object().pattern(Joi.string().allow(""), Joi.number().integer().positive()),
      ),
      maxCount: Joi.number().integer().positive(),
      accept: Joi.object().pattern(Joi.string(), Joi.array().items(Joi.string())),
    }),
    tools: Joi.array()
      .items({
        ...choice,
        icon: text.required(),
        shortLabel: text,
        placeholderOverride: text,
        pinned: Joi.boolean(),
        persistent: Joi.boolean(),
      })
      .unique("id"),
    models: Joi.array()
      .items({ ...choice, description: text, default: Joi.boolean() })
      .unique("id"),
    dictation: Joi.object({ enabled: Joi.boolean().required() }),
  }),
  uploadStrategy: Joi.alternatives(
    Joi.object({ type: Joi.valid("two_phase").required() }),
    Joi.object({ type: Joi.valid("direct").required(), uploadUrl: address.required() }),
  ).messages({
    "alternatives.match":
      'The option "uploadStrategy" must have the type "two_phase", or the type "direct" and an ' +
      '"uploadUrl", which is a path that begins with "/" or an address.',
  }),
  history: Joi.object({
    enabled: Joi.boolean(),
    showDelete: Joi.boolean(),
    showRename: Joi.boolean(),
  }),
  threadItemActions: Joi.object({ feedback: Joi.boolean(), retry: Joi.boolean() }),
  disclaimer: Joi.object({ text: text.required(), highContrast: Joi.boolean() }),
});

export function validateOptions({
  validate,
  options,
}: OptionValidationContext<Options, ValidOptions>): ValidOptions {
  try {
    return validate(schema, options);
  } catch (error) {
    if (Joi.isError(error)) error.message = error.details.map(sentenceOf).join("\n");
    throw error;
  }
}

/** Which option it is, what it is now, and what it should be. */
function sentenceOf({ type, path, message, context }: Joi.ValidationErrorItem): string {
  if (message.startsWith("The option")) return message;
  const option = `The option "${context?.label}"`;
  if (type === "any.required") return `${option} is missing.`;
  if (type === "string.empty") return `${option} is empty; give it a text, or leave it out.`;
  if (type === "object.unknown") {
    const { keys = {} } = place(path.slice(0, -1)).describe() as { keys?: object };
    const names = Object.keys(keys);
    // A mistyped option is told with the name that is close to it.
    const close = nearest(String(context?.child ?? context?.key), names);
    const hint = close ? `did you mean "${close}"?` : `there are: ${names.join(", ")}.`;
    return `${option} is not known; ${hint}`;
  }
  const wanted = /^"[^"]*" (must .+?)\.?$/s.exec(message)?.[1];
  return wanted ? `${option} is ${shown(context?.value)}; it ${wanted}.` : `${option}: ${message}`;
}

function shown(value: unknown): string {
  // Of a function there is no JSON.
  const text = (JSON.stringify(value) as string | undefined) ?? `a ${typeof value}`;
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function place(path: (string | number)[]): Joi.Schema {
  let found: Joi.Schema = schema;
  for (const name of path) {
    const items = (found.describe() as { items?: unknown[] }).items;
    if (typeof name === "number" && items) {
      found = (found as unknown as { $_terms: { items: Joi.Schema[] } }).$_terms.items[0] ?? found;
    } else if (typeof name === "string") found = found.extract(name);
  }
  return found;
}
