/** When there is only room for the page or the chat. */
export const SMALL_SCREEN = "(max-width: 640px), (max-height: 480px)";

// Not a CSS file: Docusaurus puts those of all chunks into the one that every page loads.
export function panelStyles(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    #chatkit-panel {
      --x: var(--chatkit-x, 1.25rem);
      --y: var(--chatkit-y, 1.25rem);
      display: block;
      position: fixed;
      inset-inline-end: var(--x);
      inset-block-end: calc(var(--y) + 4.5rem);
      z-index: 300;
      box-sizing: border-box;
      margin: 0;
      padding: 0;
      min-inline-size: 0;
      max-inline-size: none;
      min-block-size: 0;
      max-block-size: none;
      inline-size: clamp(20rem, var(--chatkit-width, 26rem), 100vw - 2 * var(--x));
      block-size: clamp(
        18rem,
        var(--chatkit-height, 42rem),
        100dvh - var(--y) - 5.25rem - var(--ifm-navbar-height, 0rem)
      );
      overflow: hidden;
      overscroll-behavior: contain;
      border: 1px solid var(--ifm-color-emphasis-200);
      border-radius: 1rem;
      background: var(--chatkit-background, var(--ifm-background-surface-color));
      box-shadow: 0 1rem 3rem #0004;
      outline: none;
      transition: opacity 0.15s, transform 0.15s;
    }
    #chatkit-panel.chatkit-left {
      inset-inline: var(--x) auto;
    }
    #chatkit-panel[inert] {
      visibility: hidden;
      opacity: 0;
      transform: translateY(0.75rem);
      transition: opacity 0.15s, transform 0.15s, visibility 0s 0.15s;
    }
    #chatkit-panel :is(.chatkit-root, openai-chatkit, docs-chatkit) {
      display: block;
      height: 100%;
    }
    /* The chat asks how much room it has. */
    .chatkit-root {
      container-type: size;
    }
    .chatkit-loading {
      position: absolute;
      inset: 0;
      width: 2rem;
      height: 2rem;
      margin: auto;
      border: 3px solid var(--ifm-color-emphasis-300);
      border-top-color: var(--chatkit-accent, var(--ifm-color-primary));
      border-radius: 50%;
      animation: chatkit-turn 0.9s linear infinite;
    }
    .chatkit-failed {
      display: grid;
      place-content: center;
      height: 100%;
      margin: 0;
      padding: 2rem;
    }
    .chatkit-failed button {
      padding: 0.75rem 1rem;
      border: 1px solid var(--ifm-color-emphasis-500);
      border-radius: 0.5rem;
      background: none;
      color: inherit;
      font: inherit;
      cursor: pointer;
    }
    @keyframes chatkit-turn {
      to { transform: rotate(1turn); }
    }
    .chatkit-resize {
      position: absolute;
      inset-block-start: 0;
      inset-inline-start: 0;
      z-index: 1;
      width: 1.5rem;
      height: 1.5rem;
      padding: 0;
      border: 0;
      border-start-start-radius: 1rem;
      border-end-end-radius: 0.75rem;
      background: none;
      color: var(--ifm-color-emphasis-500);
      cursor: nwse-resize;
      touch-action: none;
    }
    .chatkit-resize:dir(rtl) {
      cursor: nesw-resize;
    }
    .chatkit-left .chatkit-resize {
      inset-inline: auto 0;
      border-radius: 0;
      border-start-end-radius: 1rem;
      border-end-start-radius: 0.75rem;
      cursor: nesw-resize;
    }
    .chatkit-left .chatkit-resize:dir(rtl) {
      cursor: nwse-resize;
    }
    .chatkit-resize:is(:hover, :focus-visible) {
      background: var(--ifm-color-emphasis-200);
      color: var(--ifm-color-emphasis-800);
    }
    .chatkit-resize:focus-visible {
      outline: 2px solid var(--chatkit-accent, var(--ifm-color-primary));
      outline-offset: -2px;
    }
    @media ${SMALL_SCREEN} {
      #chatkit-panel,
      #chatkit-panel.chatkit-left {
        inset: 0;
        inline-size: auto;
        block-size: 100dvh;
        border: 0;
        border-radius: 0;
      }
      .chatkit-resize,
      .chatkit-bubble[aria-expanded="true"]:has(+ * :is(openai-chatkit, docs-chatkit)) {
        display: none;
      }
      /* Until the chat has a button of its own that closes it. */
      .chatkit-bubble[aria-expanded="true"] {
        z-index: 301;
      }
    }
    @media (prefers-reduced-motion: reduce) {
      #chatkit-panel,
      #chatkit-panel[inert] {
        transition: none;
      }
      .chatkit-loading {
        animation-duration: 6s;
      }
    }
    @media print {
      #chatkit-panel {
        display: none;
      }
    }
  `);
  return sheet;
}
