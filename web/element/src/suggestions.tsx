/** What can be put where an "@" or "/" was typed, and the tags that stand in the text. */

import type { Command, Entity } from "@openai/chatkit";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { later } from "./later.js";
import type { ComposerPartProps } from "./composer.js";
import { type Draft, endOf, type Tag, written } from "./draft.js";
import css from "./composer.css";
import { isComposing } from "./page/composing.js";
import { useStyles } from "./sheet.js";
import { entityTag, insertTag } from "./tags.js";
import { Glyph } from "./widgets/glyphs.js";

/** The word that the caret is in, as far as it asks for suggestions. */
interface Query {
  trigger: string;
  text: string;
  from: number;
  to: number;
}

interface Choice {
  id: string;
  label: string;
  description?: string | undefined;
  group?: string | undefined;
  icon?: string | undefined;
  /** Puts itself where the query stands. */
  choose: (query: Query) => void | Promise<void>;
}

const WORD = /(?:^|\s)([@/])([^\s@/]{0,50})$/;
const LIST_ID = "suggestions";

export function Suggestions({ draft, options, actions, area }: ComposerPartProps) {
  const { entities, commands, composer } = options;
  const [query, setQuery] = useState<Query | null>(null);
  const [menu, setMenu] = useState<readonly Command[] | null>(null);
  const [choices, setChoices] = useState<readonly Choice[]>([]);
  /** The word that the choices were found for, and one whose first is taken as soon as it is found. */
  const found = useRef("");
  const wanted = useRef("");
  const [current, setCurrent] = useState(0);
  const marks = useRef<HTMLDivElement>(null);
  const status = useStyles<HTMLSpanElement>(css);
  const open = query !== null && choices.length > 0;

  const close = () => {
    setQuery(null);
    setMenu(null);
    setChoices([]);
  };
  /** In the place of a part of the text, and the caret behind it. */
  const putTag = (entity: Entity, from: number, to: number) => {
    const tag = entityTag(entity);
    actions.onChange((draft) => {
      const next = insertTag(draft, from, to, tag);
      // At once, so that the caret can be put where it belongs.
      area().value = next.text;
      return next;
    });
    const caret = from + written(tag).length + 1;
    area().setSelectionRange(caret, caret);
    area().focus();
  };
  const replace = ({ from, to }: Query, text: string): void => {
    area().setRangeText(text, from, to, "end");
    area().dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
  const run = async (command: Command, at: Query) => {
    replace(at, "");
    const selection = await commands?.onSelect?.(command);
    if (selection?.type === "entity") putTag(selection.entity, at.from, at.from);
    if (selection?.type !== "menu") return;
    replace({ ...at, to: at.from }, "/");
    setMenu(selection.commands);
  };
  const find = async ({ trigger, text }: Query): Promise<Choice[]> => {
    if (trigger === "@") {
      const found = (await entities?.onTagSearch?.(text)) ?? [];
      return found.map((entity) => ({
        id: entity.id,
        label: entity.title,
        group: entity.group,
        icon: entity.icon,
        choose: ({ from, to }) => putTag(entity, from, to),
      }));
    }
    const asChoice = (command: Command): Choice => ({
      ...command,
      icon: command.icon,
      choose: (at) => run(command, at),
    });
    const fits = ({ label }: Choice) => label.toLowerCase().includes(text.toLowerCase());
    if (menu) return menu.map(asChoice).filter(fits);
    const tools = composer?.tools ?? [];
    const own: Choice[] = tools.map(({ id, label, icon }) => ({
      id: `tool ${id}`,
      label,
      icon,
      choose: (at) => {
        replace(at, "");
        actions.onTool(id);
      },
    }));
    return [...own.filter(fits), ...((await commands?.onSearch?.(text)) ?? []).map(asChoice)];
  };
  const choose = (choice: Choice | undefined) => {
    if (!query || !choice) return;
    close();
    Promise.resolve(choice.choose(query)).catch(actions.onError);
  };

  // The listeners are added once, and what they use is of the last rendering.
  const latest = useRef({ draft, open, choices, current, choose, close, setCurrent });
  latest.current = { draft, open, choices, current, choose, close, setCurrent };

  useEffect(() => {
    const field = area();
    const listeners = new AbortController();
    const { signal } = listeners;
    const look = () => {
      const next = queryAt(field, latest.current.draft.tags, options);
      wanted.current = "";
      setQuery(next);
      if (next?.trigger !== "/") setMenu(null);
      if (!next) setChoices([]);
    };
    // Something may have been typed while this part was on its way.
    if ((field.getRootNode() as ShadowRoot).activeElement === field) look();
    field.addEventListener("input", look, { signal });
    field.addEventListener("click", look, { signal });
    field.addEventListener("blur", () => latest.current.close(), { signal });
    // Before the field itself sees the key, which would send the message at Enter.
    field.parentElement?.addEventListener("keydown", onKey, { capture: true, signal });
    return () => {
      listeners.abort();
    };

    function onKey(event: KeyboardEvent) {
      const { open, choices, current, choose, close, setCurrent } = latest.current;
      if (isComposing(event)) return;
      if (event.key === "Backspace") selectTag(field, latest.current.draft.tags);
      if (!open) return;
      const step = (by: number) => setCurrent((current + by + choices.length) % choices.length);
      if (event.key === "ArrowDown") step(1);
      else if (event.key === "ArrowUp") step(-1);
      else if (event.key === "Escape") close();
      else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") {
        const at = queryAt(field, latest.current.draft.tags, options);
        if (!at) return;
        const word = wordOf(at);
        if (word === found.current) choose(choices[current]);
        else wanted.current = word;
      } else return;
      event.preventDefault();
      event.stopPropagation();
    }
  }, [options]);

  useEffect(() => {
    if (!query) return;
    let over = false;
    const show = (list: readonly Choice[]) => {
      if (over) return;
      found.current = wordOf(query);
      setChoices(list);
      setCurrent(0);
      if (wanted.current === found.current) latest.current.choose(list[0]);
    };
    find(query).then(show, (error: unknown) => {
      show([]);
      actions.onError(error);
    });
    return () => {
      over = true;
    };
  }, [query?.trigger, query?.text, menu]);

  useLayoutEffect(() => {
    const field = area();
    field.setAttribute("aria-autocomplete", "list");
    if (open) {
      field.setAttribute("aria-controls", LIST_ID);
      field.setAttribute("aria-activedescendant", `${LIST_ID}-${current}`);
    } else {
      field.removeAttribute("aria-controls");
      field.removeAttribute("aria-activedescendant");
    }
    field.parentElement
      ?.querySelector(`#${LIST_ID}-${current}`)
      ?.scrollIntoView({ block: "nearest" });
  }, [open, current]);

  useLayoutEffect(() => {
    const field = area();
    const follow = () => {
      if (marks.current) marks.current.scrollTop = field.scrollTop;
    };
    follow();
    field.addEventListener("scroll", follow);
    return () => {
      field.removeEventListener("scroll", follow);
    };
  }, [draft.text]);

  return (
    <>
      {draft.tags.length > 0 && (
        <div class="tagged" ref={marks} dir="auto" aria-hidden="true">
          {markTags(draft)}
        </div>
      )}
      {open && (
        <ul class="popup start" id={LIST_ID} role="listbox" aria-label={later().suggestions}>
          {choices.map((choice, i) => (
            <li
              key={choice.id}
              id={`${LIST_ID}-${i}`}
              role="option"
              aria-selected={i === current}
              onMouseMove={() => setCurrent(i)}
              // Not on click: the field would have lost the focus, and the list be gone.
              onMouseDown={(event) => {
                event.preventDefault();
                choose(choice);
              }}
            >
              {choice.icon && <Glyph name={choice.icon} />}
              <span class="names">
                <span>{choice.label}</span>
                {choice.description && <span class="description">{choice.description}</span>}
              </span>
              {choice.group && <span class="description">{choice.group}</span>}
            </li>
          ))}
        </ul>
      )}
      <span class="sr" role="status" ref={status}>
        {query && later().suggested(choices.length)}
      </span>
    </>
  );
}

function wordOf({ trigger, text }: Query): string {
  return trigger + text;
}

function queryAt(
  field: HTMLTextAreaElement,
  tags: readonly Tag[],
  { entities, commands }: ComposerPartProps["options"],
): Query | null {
  const to = field.selectionEnd;
  if (field.selectionStart !== to) return null;
  const [, trigger = "", text = ""] = WORD.exec(field.value.slice(0, to)) ?? [];
  const from = to - text.length - 1;
  if (trigger === "@" ? !entities?.onTagSearch : !commands?.enabled) return null;
  // A tag that is there already.
  if (trigger === "" || tags.some(({ start }) => start === from)) return null;
  return { trigger, text, from, to };
}

/** So that Backspace takes a tag away as a whole. */
function selectTag(field: HTMLTextAreaElement, tags: readonly Tag[]): void {
  const { selectionStart, selectionEnd } = field;
  const tag = tags.find((candidate) => endOf(candidate) === selectionEnd);
  if (tag && selectionStart === selectionEnd) field.setSelectionRange(tag.start, selectionEnd);
}

/** The text once more, behind the field, with the tags marked. */
function markTags({ text, tags }: Draft) {
  let from = 0;
  const pieces = tags.map((tag) => {
    const before = text.slice(from, tag.start);
    from = endOf(tag);
    return (
      <>
        {before}
        <mark>{text.slice(tag.start, from)}</mark>
      </>
    );
  });
  // A line break at the end only counts with something after it.
  return [...pieces, text.slice(from), "\u200b"];
}
