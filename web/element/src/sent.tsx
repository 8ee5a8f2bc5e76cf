/** What a message holds besides plain text: tags and files. */

import type { Attachment, UserContent } from "@docs-chatkit/core";
import type { EntitiesOption } from "@openai/chatkit";

import css from "./composer.css";
import type { MarkdownRules } from "./markdown.js";
import { type TagContent, written } from "./draft.js";
import { Icon } from "./icons.js";
import { useStyles } from "./sheet.js";
import { later } from "./later.js";

interface SentTagsProps {
  content: readonly UserContent[];
  onClick: EntitiesOption["onClick"];
  onPreview: MarkdownRules["onPreview"];
}

export function SentTags({ content, onClick, onPreview }: SentTagsProps) {
  const box = useStyles<HTMLSpanElement>(css);
  return (
    <span ref={box}>
      {content.map((part, i) =>
        part.type === "input_tag" ? (
          <TagInText key={i} tag={part} onClick={onClick} onPreview={onPreview} />
        ) : (
          part.text
        ),
      )}
    </span>
  );
}

export function SentFiles({ files }: { files: readonly Attachment[] }) {
  const list = useStyles<HTMLUListElement>(css);
  return (
    <ul class="files" aria-label={later().attachments} ref={list}>
      {files.map((file) => (
        <li key={file.id}>
          <SentFile file={file} />
        </li>
      ))}
    </ul>
  );
}

interface TagProps {
  tag: TagContent;
  onClick: EntitiesOption["onClick"];
  onPreview: MarkdownRules["onPreview"];
}

function TagInText({ tag, onClick, onPreview }: TagProps) {
  const name = written(tag);
  const { id, text: title, data, group, interactive } = tag;
  const show = ({ currentTarget }: { currentTarget: HTMLElement }) => {
    const source = { id, title, ...(interactive && { interactive }) };
    onPreview?.(currentTarget, { ...source, ...(group && { group }), ...(data && { data }) });
  };
  const shown = {
    class: "tag",
    onFocus: show,
    onPointerEnter: (event: PointerEvent & { currentTarget: HTMLElement }) => {
      if (event.pointerType !== "touch") show(event);
    },
  };
  if (!interactive || !onClick) {
    // What can be previewed can be reached by keyboard, too.
    return (
      <span {...shown} tabIndex={onPreview ? 0 : undefined}>
        {name}
      </span>
    );
  }
  const entity = {
    id,
    title,
    interactive: true,
    ...(group && { group }),
    // The interface promises texts; what was sent is what comes back.
    ...(data && { data: data as Record<string, string> }),
  };
  return (
    <button type="button" {...shown} onClick={() => onClick(entity)}>
      {name}
    </button>
  );
}

function SentFile({ file }: { file: Attachment }) {
  const src = fileImage(file);
  if (src) return <img src={src} alt={file.name} title={file.name} />;
  return (
    <span class="file">
      <Icon name="file" />
      <span class="name">{file.name}</span>
    </span>
  );
}

/** The address of the picture of a file; its server says where that is. */
export function fileImage({ type, preview_url: address }: Attachment): string | null {
  if (type !== "image" || !address || !URL.canParse(address, location.href)) return null;
  const url = new URL(address, location.href);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}
