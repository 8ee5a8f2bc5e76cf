/** A block of code with its language and a copy button. */

import { useEffect, useState } from "preact/hooks";

import { Icon } from "./icons.js";
import type { Highlight } from "./options.js";
import { strings } from "./strings.js";

const COPIED_MS = 2000;

interface CodeProps {
  code: string;
  language: string;
  highlight: Highlight | undefined;
}

export function Code({ code, language, highlight }: CodeProps) {
  const tokens = highlight?.(code, language);
  return (
    <div class="code">
      <div class="code-bar">
        <span>{language}</span>
        <CopyButton text={code} label={strings.copyCode} />
      </div>
      <pre tabIndex={0} role="group" aria-label={strings.code(language)}>
        <code>
          {tokens
            ? tokens.map(({ text, style }, i) => (
                <span key={i} style={style}>
                  {text}
                </span>
              ))
            : code}
        </code>
      </pre>
    </div>
  );
}

export function CopyButton({ text, label }: { text: string | (() => string); label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => {
      setCopied(false);
    }, COPIED_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [copied]);
  return (
    <button
      type="button"
      class="icon-button small"
      aria-label={copied ? strings.copied : label}
      title={label}
      onClick={(event) => {
        void copy(typeof text === "string" ? text : text(), event.currentTarget).then(setCopied);
      }}
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

/** Whether it worked. */
async function copy(text: string, button: HTMLElement): Promise<boolean> {
  // There is no clipboard object on plain http.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard) {
    try {
      await clipboard.writeText(text);
      return true;
    } catch {
      // Refused, in a frame without the permission: the old way may still work.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr";
  button.after(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way on plain http
  const done = document.execCommand("copy");
  area.remove();
  button.focus();
  return done;
}
