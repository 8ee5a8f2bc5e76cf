/** Writes into the composer's field for the reader. */

/** As if the reader had typed it, so that the field can undo it. */
export function insertText(area: HTMLTextAreaElement, text: string): void {
  const before = area.value.slice(0, area.selectionStart);
  const spaced = before === "" || /\s$/.test(before) ? text : ` ${text}`;
  area.focus();
  area.setRangeText(spaced, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new InputEvent("input", { bubbles: true }));
}
