/** The components that a reader fills in. They are the browser's own, which every device knows. */

import type { WidgetNode } from "@docs-chatkit/core";
import { useLayoutEffect, useRef } from "preact/hooks";

import { later } from "../later.js";
import { type Props, useAction, useWidget } from "./context.js";
import * as values from "./values.js";

interface FieldProps {
  node: WidgetNode;
}

const CONTROL_SIZES = ["3xs", "2xs", "xs", "sm", "md", "lg", "xl", "2xl", "3xl"] as const;

/** The classes of size and shape that controls share. */
export function controlClass(props: Props, name: string, variant: string): string {
  const classes = [name, variant, `size-${values.oneOf(props["size"], CONTROL_SIZES, "lg")}`];
  if (props["pill"] === true) classes.push("pill");
  if (props["block"] === true) classes.push("block");
  return classes.join(" ");
}

/** What makes a field part of its form, and gives it a name where no Label does. */
function useField(props: Props) {
  const { fieldId, isLabelled } = useWidget();
  const name = values.text(props["name"]);
  const said = values.text(props["placeholder"]) || humanize(name);
  return {
    name,
    id: fieldId(name),
    disabled: props["disabled"] === true,
    required: props["required"] === true,
    ...(!isLabelled(name) && { "aria-label": said }),
  };
}

/** `todo.due_date` as people would say it. */
export function humanize(name: string): string {
  const words = name
    .replace(/^.*\./, "")
    .replace(/[\W_]+/g, " ")
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

type TextField = HTMLInputElement | HTMLTextAreaElement;

/** The properties that every field for text may have. */
function useTextField(props: Props) {
  const field = useRef<TextField>(null);
  const pattern = values.text(props["pattern"]);
  useLayoutEffect(() => {
    if (props["autoFocus"] === true) field.current?.focus();
    if (props["autoSelect"] === true) field.current?.select();
    if (field.current) checkPattern(field.current, pattern);
  }, []);
  const autofill = props["allowAutofillExtensions"] === true;
  return {
    ...useField(props),
    placeholder: values.text(props["placeholder"]),
    autocomplete: values.text(props["autoComplete"]) || (autofill ? "on" : "off"),
    // What password managers look for.
    ...(!autofill && { "data-1p-ignore": "", "data-lpignore": "true" }),
    onInput: (event: Event) => {
      checkPattern(event.currentTarget as TextField, pattern);
    },
    ref: (element: TextField | null) => {
      field.current = element;
    },
  };
}

/** As a text field does itself, which an area does not. */
function checkPattern(field: TextField, pattern: string): void {
  let matches = true;
  try {
    matches =
      pattern === "" || field.value === "" || new RegExp(`^(?:${pattern})$`, "v").test(field.value);
  } catch {
    // A pattern that is none allows everything.
  }
  field.setCustomValidity(matches ? "" : later().wrongFormat);
}

/** As one of them: each has attributes of its own, which are not used here. */
const INPUT_TYPES = ["text", "number", "email", "password", "tel", "url"] as unknown as readonly [
  "text",
];
const FIELD_VARIANTS = ["outline", "soft"] as const;

export function Input({ node }: FieldProps) {
  const field = useTextField(node);
  const variant = values.oneOf(node["variant"], FIELD_VARIANTS, "outline");
  return (
    <input
      {...field}
      type={values.oneOf(node["inputType"], INPUT_TYPES, "text")}
      defaultValue={values.text(node["defaultValue"])}
      class={controlClass(node, "w-field", variant)}
    />
  );
}

export function Textarea({ node }: FieldProps) {
  const field = useTextField(node);
  const { rows, maxRows } = node;
  const variant = values.oneOf(node["variant"], FIELD_VARIANTS, "outline");
  return (
    <textarea
      {...field}
      rows={typeof rows === "number" ? rows : 3}
      defaultValue={values.text(node["defaultValue"])}
      class={`${controlClass(node, "w-field", variant)}${node["autoResize"] === true ? " grow" : ""}`}
      style={typeof maxRows === "number" ? { maxBlockSize: `calc(${maxRows}lh + 16px)` } : {}}
    />
  );
}

/** A text that can be changed in its place. */
export function EditableText({
  node,
  editable,
  style,
}: FieldProps & { editable: Props; style: values.Style }) {
  const field = useTextField(editable);
  return (
    <textarea
      {...field}
      rows={1}
      class="w-editable grow"
      style={style}
      defaultValue={values.text(node["value"])}
    />
  );
}

interface Option {
  value: string;
  label: string;
  disabled: boolean;
}

function optionsOf(value: unknown): Option[] {
  if (!Array.isArray(value)) return [];
  return value.filter(values.isRecord).map((option) => ({
    value: values.text(option["value"]),
    label: values.text(option["label"]) || values.text(option["value"]),
    disabled: option["disabled"] === true,
  }));
}

const VARIANTS = ["outline", "solid", "soft", "ghost"] as const;

export function Select({ node }: FieldProps) {
  const field = useField(node);
  const change = useAction(node["onChangeAction"], "none");
  const variant = values.oneOf(node["variant"], VARIANTS, "outline");
  const chosen = values.text(node["defaultValue"]);
  const placeholder = values.text(node["placeholder"]);
  const empty = chosen === "" || node["clearable"] === true;
  return (
    <select
      {...field}
      class={controlClass(node, "w-field w-select", variant)}
      onChange={(event) => {
        change?.run(event.currentTarget, [field.name, event.currentTarget.value]);
      }}
    >
      {empty && (
        <option value="" selected={chosen === ""}>
          {placeholder || "–"}
        </option>
      )}
      {optionsOf(node["options"]).map((option) => (
        <option
          key={option.value}
          value={option.value}
          disabled={option.disabled}
          selected={option.value === chosen}
        >
          {option.label}
        </option>
      ))}
    </select>
  );
}

export function DatePicker({ node }: FieldProps) {
  const field = useField(node);
  const change = useAction(node["onChangeAction"], "none");
  const variant = values.oneOf(node["variant"], VARIANTS, "outline");
  const day = (value: unknown) => values.text(value).slice(0, "2026-01-01".length);
  return (
    <input
      {...field}
      type="date"
      defaultValue={day(node["defaultValue"])}
      min={day(node["min"])}
      max={day(node["max"])}
      class={controlClass(node, "w-field", variant)}
      onChange={(event) => {
        change?.run(event.currentTarget, [field.name, event.currentTarget.value]);
      }}
    />
  );
}

export function Checkbox({ node }: FieldProps) {
  const { "aria-label": said, ...field } = useField(node);
  const change = useAction(node["onChangeAction"], "none");
  const label = values.text(node["label"]);
  return (
    <label class="w-check">
      <input
        {...field}
        {...(label === "" && { "aria-label": said })}
        type="checkbox"
        defaultChecked={node["defaultChecked"] === true}
        onChange={(event) => {
          change?.run(event.currentTarget, [field.name, event.currentTarget.checked]);
        }}
      />
      {label !== "" && <span>{label}</span>}
    </label>
  );
}

export function RadioGroup({ node }: FieldProps) {
  const { id, name, disabled, required, ...named } = useField(node);
  const change = useAction(node["onChangeAction"], "none");
  const chosen = values.text(node["defaultValue"]);
  const row = node["direction"] === "row" ? " w-row" : "";
  return (
    <div
      class={`w-radios${row}`}
      role="radiogroup"
      id={id}
      aria-label={values.text(node["ariaLabel"]) || named["aria-label"] || humanize(name)}
    >
      {optionsOf(node["options"]).map((option) => (
        <label key={option.value} class="w-check">
          <input
            type="radio"
            name={name}
            value={option.value}
            required={required}
            disabled={disabled || option.disabled}
            defaultChecked={option.value === chosen}
            onChange={(event) => {
              change?.run(event.currentTarget, [name, event.currentTarget.value]);
            }}
          />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}
