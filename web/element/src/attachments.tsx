/** The files that go with the next message, and what could not be attached. */

import type { ComposerOption } from "@openai/chatkit";
import { useEffect, useRef, useState } from "preact/hooks";

import { later } from "./later.js";
import css from "./composer.css";
import type { ComposerPartProps } from "./composer.js";
import type { DraftFile } from "./draft.js";
import { Icon } from "./icons.js";
import { Glyph } from "./widgets/glyphs.js";
import { fileImage } from "./sent.js";
import { useStyles } from "./sheet.js";

/** What the browser's file dialog offers. */
export function chooseFiles({ accept }: NonNullable<ComposerOption["attachments"]>): string {
  return Object.entries(accept ?? {})
    .flat(2)
    .join(",");
}

export function Attachments({ draft, options, actions, area }: ComposerPartProps) {
  const box = useStyles<HTMLDivElement>(css);
  const dropping = useDrop(options.composer?.attachments?.enabled === true, area, actions.onAttach);
  return (
    <div ref={box}>
      {draft.problems.length > 0 && (
        <div class="box danger" role="alert">
          <Icon name="alert" />
          <div>
            {draft.problems.map((problem, i) => (
              <p key={i}>{problem}</p>
            ))}
          </div>
          <button
            type="button"
            class="icon-button small"
            aria-label={later().dismiss}
            onClick={() => {
              actions.onChange({ problems: [] });
              area().focus();
            }}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
      {draft.files.length > 0 && (
        <ul class="files" aria-label={later().attachments}>
          {draft.files.map((file) => (
            <li key={file.key} class="file">
              <Preview file={file} />
              <span class="name">{file.name}</span>
              <button
                type="button"
                class="icon-button small"
                aria-label={later().remove(file.name)}
                onClick={() => {
                  actions.onDetach(file.key);
                  area().focus();
                }}
              >
                <Icon name="close" />
              </button>
              {!file.attachment && (
                <progress
                  aria-label={later().uploading(file.name)}
                  value={file.progress ?? undefined}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      {dropping && (
        <div class="drop">
          <Glyph name="clip" />
          {later().dropHere}
        </div>
      )}
    </div>
  );
}

function Preview({ file: { attachment } }: { file: DraftFile }) {
  const src = attachment && fileImage(attachment);
  return src ? <img src={src} alt="" /> : <Icon name="file" />;
}

/** Takes files that are dropped anywhere on the chat, or pasted into the field. */
function useDrop(
  enabled: boolean,
  area: () => HTMLTextAreaElement,
  onFiles: (files: readonly File[]) => void,
): boolean {
  const [dropping, setDropping] = useState(false);
  const take = useRef(onFiles);
  take.current = onFiles;
  useEffect(() => {
    const chat = area().closest<HTMLElement>(".app");
    if (!enabled || !chat) return;
    const listeners = new AbortController();
    const listen = <K extends keyof HTMLElementEventMap>(
      type: K,
      listener: (event: HTMLElementEventMap[K]) => void,
    ) => {
      chat.addEventListener(type, listener, { signal: listeners.signal });
    };
    listen("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      // Without this the browser would leave the page and open the file.
      event.preventDefault();
      setDropping(true);
    });
    listen("dragleave", (event) => {
      if (!chat.contains(event.relatedTarget as Node | null)) setDropping(false);
    });
    const onTaken = (event: Event, files: FileList | undefined) => {
      setDropping(false);
      if (!files?.length) return;
      event.preventDefault();
      take.current([...files]);
      area().focus();
    };
    listen("drop", (event) => {
      onTaken(event, event.dataTransfer?.files);
    });
    listen("paste", (event) => {
      onTaken(event, event.clipboardData?.files);
    });
    return () => {
      listeners.abort();
    };
  }, [enabled]);
  return dropping;
}
