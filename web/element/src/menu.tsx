/** A button with a menu, worked by the keyboard as menus are. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { Icon } from "./icons.js";
import { Glyph } from "./widgets/glyphs.js";

export interface MenuItem {
  id: string;
  label: string;
  description?: string | undefined;
  icon?: string | undefined;
  /** Absent where an item does something and chooses nothing. */
  checked?: boolean;
  disabled?: boolean | undefined;
  onSelect: () => void;
}

interface MenuProps {
  label: string;
  icon?: string;
  /** Shown on the button, beside or instead of the icon. */
  text?: string;
  /** Which edges of button and menu meet. */
  align: "start" | "end";
  items: readonly MenuItem[];
}

export function MenuButton({ label, icon, text, align, items }: MenuProps) {
  const [open, setOpen] = useState(false);
  const [current, setCurrent] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const entries = () => [...(box.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
  useLayoutEffect(() => {
    if (open) entries()[current]?.focus();
  }, [open, current]);

  const show = (at: number) => {
    setCurrent((at + items.length) % items.length);
    setOpen(true);
  };
  const hide = () => {
    setOpen(false);
    button.current?.focus();
  };
  const chosen = Math.max(
    items.findIndex((item) => item.checked),
    0,
  );
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      show(event.key === "ArrowDown" ? chosen : -1);
    } else if (event.key === "ArrowDown") show(current + 1);
    else if (event.key === "ArrowUp") show(current - 1);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(-1);
    else if (event.key === "Escape") hide();
    else return;
    // Marked as used, so that the page does not scroll or close its panel as well.
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="menu-box"
      ref={box}
      onKeyDown={onKeyDown}
      onFocusOut={(event: FocusEvent) => {
        if (!box.current?.contains(event.relatedTarget as Node | null)) setOpen(false);
      }}
    >
      <button
        ref={button}
        type="button"
        class={text === undefined ? "icon-button" : "tool-button"}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => (open ? hide() : show(chosen))}
      >
        {icon && <Glyph name={icon} />}
        {text !== undefined && <span>{text}</span>}
        {text !== undefined && <Glyph name="chevron-down" />}
      </button>
      {open && (
        <ul class={`popup ${align}`} role="menu" aria-label={label}>
          {items.map((item, i) => (
            <li key={item.id} role="none">
              <button
                type="button"
                role={item.checked === undefined ? "menuitem" : "menuitemradio"}
                aria-checked={item.checked}
                aria-disabled={item.disabled ?? false}
                tabIndex={-1}
                onMouseMove={() => setCurrent(i)}
                onClick={() => {
                  if (item.disabled) return;
                  hide();
                  item.onSelect();
                }}
              >
                {item.icon && <Glyph name={item.icon} />}
                <span class="names">
                  <span>{item.label}</span>
                  {item.description && <span class="description">{item.description}</span>}
                </span>
                {item.checked && <Icon name="check" />}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
