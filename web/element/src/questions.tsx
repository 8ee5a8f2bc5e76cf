/** A form that the server wants filled in, and afterwards what was answered. */

import type { StructuredAnswer, StructuredInput, StructuredInputItem } from "@docs-chatkit/core";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Host } from "./host.js";
import css from "./questions.css";
import { useStyles } from "./sheet.js";
import { later } from "./later.js";

/** More than a server takes as one answer. */
const MAX_LENGTH = 8000;

interface QuestionsProps {
  item: StructuredInputItem;
  host: Host;
  /** Whether the server is writing an answer, and takes no form. */
  busy: boolean;
}

export function Questions({ item, host, busy }: QuestionsProps) {
  const root = useStyles<HTMLElement>(css);
  const pending = (item.status ?? "pending") === "pending";
  const sent = useRef(false);
  useLayoutEffect(() => {
    // The button that was pressed is gone, and the focus with it.
    if (!pending && sent.current) root.current?.focus();
  }, [pending]);
  return (
    <section class="questions" ref={root} tabIndex={-1} aria-label={later().questions}>
      {pending ? (
        <Form
          item={item}
          busy={busy}
          ownAnswers={host.ownAnswers()}
          onSubmit={(status, answers) => {
            sent.current = true;
            void host.submit(item.id, { status, answers });
          }}
        />
      ) : (
        <dl>
          {item.inputs.map(({ id, question, answer }) => (
            <div key={id}>
              <dt>{question}</dt>
              <dd>
                {answer?.values?.length && !answer.skipped ? (
                  answer.values.join(", ")
                ) : (
                  <span class="skipped">{later().skipped}</span>
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

type Answers = Record<string, StructuredAnswer>;

interface FormProps {
  item: StructuredInputItem;
  busy: boolean;
  ownAnswers: boolean;
  onSubmit: (status: "answered" | "skipped", answers: Answers) => void;
}

function Form({ item, busy, ownAnswers, onSubmit }: FormProps) {
  const [answers, setAnswers] = useState<ReadonlyMap<string, readonly string[]>>(new Map());
  const given = (id: string) => {
    const texts = (answers.get(id) ?? []).map((value) => value.trim());
    return [...new Set(texts)].filter((text) => text !== "");
  };
  const ready = !busy && item.inputs.some(({ id }) => given(id).length > 0);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!ready) return;
        // What was not answered is said to be skipped, so that the server can tell.
        const all = item.inputs.map(({ id }): [string, StructuredAnswer] => {
          const values = given(id);
          return [id, values.length > 0 ? { values } : { skipped: true }];
        });
        onSubmit("answered", Object.fromEntries(all));
      }}
    >
      {item.inputs.map((input) => (
        <Question
          key={input.id}
          input={input}
          name={`${item.id}-${input.id}`}
          ownAnswers={ownAnswers}
          values={answers.get(input.id) ?? []}
          onChange={(values) => {
            setAnswers((before) => new Map(before).set(input.id, values));
          }}
        />
      ))}
      <div class="buttons">
        <button
          type="button"
          class="text-button"
          aria-disabled={busy}
          onClick={() => {
            if (!busy) onSubmit("skipped", {});
          }}
        >
          {later().skip}
        </button>
        <button type="submit" class="submit" aria-disabled={!ready}>
          {later().sendAnswers}
        </button>
      </div>
    </form>
  );
}

interface QuestionProps {
  input: StructuredInput;
  name: string;
  ownAnswers: boolean;
  values: readonly string[];
  onChange: (values: readonly string[]) => void;
}

function Question({ input, name, ownAnswers, values, onChange }: QuestionProps) {
  const { question, description, multiple = false } = input;
  const options = (input.options ?? []).map(({ value }) => value);
  const own = values.find((value) => !options.includes(value)) ?? "";
  const chosen = values.filter((value) => options.includes(value));
  const setOwn = (text: string) => {
    const kept = multiple ? chosen : [];
    onChange(text === "" ? kept : [...kept, text]);
  };
  // A question without options can only be answered by a text.
  if (options.length === 0) {
    return (
      <label class="question-field">
        <span class="asked">{question}</span>
        {description && <span class="hint">{description}</span>}
        <textarea rows={2} maxLength={MAX_LENGTH} onInput={(e) => setOwn(e.currentTarget.value)} />
      </label>
    );
  }
  return (
    <fieldset class="question-field">
      <legend class="asked">{question}</legend>
      {options.map((option) => (
        <label key={option} class="option">
          <input
            type={multiple ? "checkbox" : "radio"}
            name={name}
            checked={chosen.includes(option)}
            onChange={(event) => {
              const { checked } = event.currentTarget;
              if (!multiple) onChange([option]);
              else if (checked) onChange([...values, option]);
              else onChange(values.filter((value) => value !== option));
            }}
          />
          <span>{option}</span>
        </label>
      ))}
      {ownAnswers && (
        <input
          type="text"
          class="own"
          maxLength={MAX_LENGTH}
          placeholder={later().ownAnswer}
          aria-label={later().ownAnswer}
          value={own}
          onInput={(event) => setOwn(event.currentTarget.value)}
        />
      )}
    </fieldset>
  );
}
