/** The row below the text: files, tools, the model, dictation. */

import { useRef } from "preact/hooks";

import { later } from "./later.js";
import { chooseFiles } from "./attachments.js";
import css from "./composer.css";
import type { ComposerPartProps } from "./composer.js";
import { Dictation } from "./dictation.js";
import { modelOf } from "./draft.js";
import { Icon } from "./icons.js";
import { MenuButton, type MenuItem } from "./menu.js";
import { useStyles } from "./sheet.js";
import { insertText } from "./typing.js";
import { Glyph } from "./widgets/glyphs.js";

export function Toolbar({ draft, options, actions, area }: ComposerPartProps) {
  const { composer = {}, entities } = options;
  const { tools = [], models = [], attachments, dictation } = composer;
  const bar = useStyles<HTMLDivElement>(css);
  const picker = useRef<HTMLInputElement>(null);
  const tool = tools.find(({ id }) => id === draft.toolId);
  const model = models.find(({ id }) => id === modelOf(models, draft.modelId));
  const toggle = (id: string) => {
    actions.onTool(id === draft.toolId ? null : id);
    area().focus();
  };
  const items: MenuItem[] = [];
  if (attachments?.enabled) {
    const onSelect = () => picker.current?.click();
    items.push({ id: "attach", label: later().attach, icon: "clip", onSelect });
  }
  if (entities?.showComposerMenu && entities.onTagSearch) {
    const onSelect = () => insertText(area(), "@");
    items.push({ id: "mention", label: later().mention, icon: "mention", onSelect });
  }
  const [only] = items;
  for (const { id, label, icon, pinned } of tools) {
    if (pinned) continue;
    const checked = id === draft.toolId;
    const onSelect = () => toggle(id);
    items.push({ id: `tool ${id}`, label, icon, checked, onSelect });
  }
  return (
    <div class="toolbar" ref={bar}>
      {attachments?.enabled && (
        <input
          ref={picker}
          type="file"
          hidden
          multiple
          accept={chooseFiles(attachments)}
          onChange={({ currentTarget }) => {
            actions.onAttach([...(currentTarget.files ?? [])]);
            // Else the same file, once removed, could not be chosen again.
            currentTarget.value = "";
            area().focus();
          }}
        />
      )}
      {only && items.length === 1 ? (
        <button
          type="button"
          class="icon-button"
          aria-label={only.label}
          title={only.label}
          onClick={only.onSelect}
        >
          <Glyph name={only.icon} />
        </button>
      ) : (
        items.length > 0 && (
          <MenuButton
            label={only ? later().add : later().tools}
            icon="plus"
            align="start"
            items={items}
          />
        )
      )}
      {tools
        .filter(({ pinned }) => pinned)
        .map(({ id, label, shortLabel, icon }) => (
          <button
            key={id}
            type="button"
            class="tool-button"
            title={label}
            aria-pressed={id === draft.toolId}
            onClick={() => toggle(id)}
          >
            <Glyph name={icon} />
            <span>{shortLabel ?? label}</span>
          </button>
        ))}
      {tool && !tool.pinned && (
        <button
          type="button"
          class="tool-button chosen"
          aria-label={later().remove(tool.label)}
          title={later().remove(tool.label)}
          onClick={() => toggle(tool.id)}
        >
          <Glyph name={tool.icon} />
          <span>{tool.shortLabel ?? tool.label}</span>
          <Icon name="close" />
        </button>
      )}
      <div class="end">
        {model && models.length > 1 && (
          <MenuButton
            label={later().model(model.label)}
            text={model.label}
            align="end"
            items={models.map(({ id, label, description, disabled }) => ({
              id,
              label,
              description,
              disabled,
              checked: id === model.id,
              onSelect: () => {
                actions.onChange({ modelId: id });
                area().focus();
              },
            }))}
          />
        )}
        {dictation?.enabled && <Dictation actions={actions} area={area} />}
      </div>
    </div>
  );
}
