import type { KeyValueStorage } from "@docs-chatkit/core";

const STEP_PX = 32;

/** Which way each key moves the corner: to the right and up. */
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** A corner that changes the size of `panel` by pointer or arrow keys; the browser keeps the size. */
export function resizeCorner(
  panel: HTMLElement,
  { label, storage, key }: { label: string; storage: KeyValueStorage; key: string },
): HTMLElement {
  const corner = document.createElement("button");
  corner.type = "button";
  corner.className = "chatkit-resize";
  corner.ariaLabel = corner.title = label;

  const apply = (size: string | null) => {
    const [width, height] = /^(\d+)x(\d+)$/.exec(size ?? "")?.slice(1) ?? [];
    panel.style.setProperty("--chatkit-width", width ? `${width}px` : "");
    panel.style.setProperty("--chatkit-height", height ? `${height}px` : "");
  };
  const resize = (width: number, height: number) => {
    apply(`${Math.max(0, Math.round(width))}x${Math.max(0, Math.round(height))}`);
  };
  const keep = () => {
    // What the panel has: the style sheet holds it between its limits.
    const { offsetWidth, offsetHeight } = panel;
    storage.setItem(key, `${offsetWidth}x${offsetHeight}`);
  };
  const reset = () => {
    storage.removeItem(key);
    apply(null);
  };
  /** The panel grows away from the edge of the window that it stands at. */
  const growsLeft = () => {
    const { left, right } = panel.getBoundingClientRect();
    return left > innerWidth - right;
  };
  apply(storage.getItem(key));

  corner.addEventListener("pointerdown", (start) => {
    if (start.button !== 0) return;
    // An iframe in the panel would take the pointer away.
    corner.setPointerCapture(start.pointerId);
    const { offsetWidth, offsetHeight } = panel;
    const side = growsLeft() ? 1 : -1;
    corner.onpointermove = ({ clientX, clientY }) => {
      resize(
        offsetWidth + side * (start.clientX - clientX),
        offsetHeight + start.clientY - clientY,
      );
    };
  });
  corner.addEventListener("lostpointercapture", () => {
    if (corner.onpointermove) keep();
    corner.onpointermove = null;
  });
  corner.addEventListener("dblclick", reset);
  corner.addEventListener("keydown", (event) => {
    const [x, y] = ARROWS[event.key] ?? [0, 0];
    if (event.key === "Home") reset();
    else if (x === 0 && y === 0) return;
    else {
      const side = growsLeft() ? -x : x;
      resize(panel.offsetWidth + side * STEP_PX, panel.offsetHeight + y * STEP_PX);
      keep();
    }
    event.preventDefault();
  });
  return corner;
}
