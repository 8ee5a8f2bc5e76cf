/** What a widget asks to happen when it is used, and the form data that go with it. */

import type { WidgetAction } from "@docs-chatkit/core";

import { isRecord, oneOf } from "./values.js";

export type Loading = "auto" | "none" | "self" | "container";

export interface ActionConfig extends WidgetAction {
  handler: "server" | "client";
  loadingBehavior: Loading;
  /** Whether the server answers with events, or with the one item that it changed. */
  streaming: boolean;
}

export function readAction(value: unknown): ActionConfig | null {
  if (!isRecord(value) || typeof value["type"] !== "string") return null;
  const { type, payload, handler, loadingBehavior, streaming } = value;
  return {
    type,
    ...(isRecord(payload) && { payload }),
    handler: oneOf(handler, ["server", "client"], "server"),
    loadingBehavior: oneOf(loadingBehavior, ["auto", "none", "self", "container"], "auto"),
    streaming: streaming !== false,
  };
}

export type Field = readonly [name: string, value: unknown];

/** Every field of a form by its name; a choice that was not made is an empty text. */
export function fieldsOf(form: HTMLFormElement | null): Field[] {
  if (!form) return [];
  const fields: Field[] = [];
  for (const control of form.elements) {
    if (control instanceof HTMLInputElement) {
      const { type, name, checked, value, disabled } = control;
      if (!name || disabled) continue;
      if (type === "checkbox") fields.push([name, checked]);
      else if (type !== "radio" || checked) fields.push([name, value]);
    } else if (control instanceof HTMLSelectElement || control instanceof HTMLTextAreaElement) {
      if (control.name && !control.disabled) fields.push([control.name, control.value]);
    }
  }
  return fields;
}

/**
 * The payload with the fields in it, `todo.title` as `{ todo: { title } }`. What the payload says itself
 * stays: `taken` names the fields that it leaves no place for.
 */
export function withFields(
  payload: Readonly<Record<string, unknown>> | undefined,
  fields: readonly Field[],
): { payload?: Record<string, unknown>; taken: string[] } {
  const tree = emptyRecord();
  for (const [name, value] of fields) {
    const path = name.split(".");
    const last = path.pop() ?? name;
    let place = tree;
    for (const part of path) {
      const next = place[part];
      place = isRecord(next) ? next : (place[part] = emptyRecord());
    }
    place[last] = value;
  }
  const taken: string[] = [];
  overlay(tree, payload ?? {}, "", taken);
  return Object.keys(tree).length > 0 || payload ? { payload: tree, taken } : { taken };
}

function overlay(
  tree: Record<string, unknown>,
  over: Readonly<Record<string, unknown>>,
  path: string,
  taken: string[],
): void {
  for (const [key, value] of Object.entries(over)) {
    const field = tree[key];
    if (isRecord(field) && isRecord(value)) {
      overlay(field, value, `${path}${key}.`, taken);
      continue;
    }
    if (key in tree) taken.push(path + key);
    tree[key] = value;
  }
}

/** Without a prototype, so that a field of any name is nothing but a field. */
function emptyRecord(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}
