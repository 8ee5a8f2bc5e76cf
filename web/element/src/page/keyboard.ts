/** A phone's keyboard takes its room from what is seen of a page, and not from the page. */

/** Less is the bar of a browser that comes and goes. */
const LEAST_PX = 100;

/** Keeps a panel, as long as it covers the screen, above the keyboard, its text field included. */
export function keepAboveKeyboard(panel: HTMLElement, covers: () => boolean): void {
  // Not there in old browsers.
  const seen = window.visualViewport as VisualViewport | null | undefined;
  if (!seen) return;
  const place = () => {
    // Of a page that is zoomed in, less is seen for another reason.
    const isWhole = Math.abs(seen.scale - 1) < 0.01;
    const isUp = isWhole && covers() && innerHeight - seen.height > LEAST_PX;
    panel.style.height = isUp ? `${seen.height}px` : "";
    panel.style.top = isUp ? `${seen.offsetTop}px` : "";
    panel.style.bottom = isUp ? "auto" : "";
  };
  for (const type of ["resize", "scroll"]) seen.addEventListener(type, place);
}
