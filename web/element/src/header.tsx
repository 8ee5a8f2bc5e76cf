/** The bar on top: what is open, and the ways to a new chat and to earlier ones. */

import type { HeaderOption } from "@openai/chatkit";

import { findIcon, Icon, type IconName } from "./icons.js";
import { strings } from "./strings.js";

interface HeaderProps {
  options: HeaderOption;
  title: string;
  historyOpen: boolean;
  historyEnabled: boolean;
  /** Nothing to leave behind: the chat is new already. */
  isNew: boolean;
  onNew: () => void;
  onHistory: () => void;
}

export function Header(props: HeaderProps) {
  const { options, title, historyOpen, historyEnabled, isNew, onNew, onHistory } = props;
  const { leftAction, rightAction } = options;
  return (
    <div class="header">
      {leftAction && <CustomButton {...leftAction} />}
      {historyOpen && <IconButton name="back" label={strings.back} onClick={onHistory} />}
      {options.title?.enabled !== false && <h1>{title}</h1>}
      <span class="spring" />
      {!isNew && <IconButton name="compose" label={strings.newChat} onClick={onNew} />}
      {historyEnabled && !historyOpen && (
        <IconButton name="history" label={strings.history} onClick={onHistory} />
      )}
      {rightAction && <CustomButton {...rightAction} />}
    </div>
  );
}

function CustomButton({ icon, onClick }: { icon: string; onClick: () => void }) {
  // The interface has no name for these buttons but that of their icon.
  const label =
    icon === "close"
      ? strings.close
      : icon.charAt(0).toUpperCase() + icon.slice(1).replaceAll("-", " ");
  return <IconButton name={findIcon(icon) ?? "dots"} label={label} onClick={onClick} />;
}

interface IconButtonProps {
  name: IconName;
  label: string;
  onClick: () => void;
}

function IconButton({ name, label, onClick }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={name} />
    </button>
  );
}
