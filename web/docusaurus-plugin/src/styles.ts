/** When there is only room for the page or the chat. */
export const SMALL_SCREEN = "(max-width: 640px), (max-height: 480px)";

// Not a CSS file: Docusaurus puts those of all chunks into the one that every page loads.
export function panelStyles(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    #chatkit-panel {
      position: fixed;
      right: 1.25rem;
      bottom: 5.75rem;
      z-index: 300;
      width: 26rem;
      max-width: calc(100vw - 2.5rem);
      height: min(42rem, 100dvh - 6.5rem - var(--ifm-navbar-height));
      overflow: hidden;
      overscroll-behavior: contain;
      border: 1px solid var(--ifm-color-emphasis-200);
      border-radius: 1rem;
      background: var(--ifm-background-surface-color);
      box-shadow: 0 1rem 3rem #0004;
      outline: none;
      transform-origin: bottom right;
      transition: opacity 0.15s, transform 0.15s;
    }
    #chatkit-panel.chatkit-left {
      right: auto;
      left: 1.25rem;
      transform-origin: bottom left;
    }
    #chatkit-panel[inert] {
      visibility: hidden;
      opacity: 0;
      transform: scale(0.96);
      transition: opacity 0.15s, transform 0.15s, visibility 0s 0.15s;
    }
    #chatkit-panel openai-chatkit {
      display: block;
      height: 100%;
    }
    @media ${SMALL_SCREEN} {
      #chatkit-panel {
        inset: 0;
        width: auto;
        max-width: none;
        height: 100dvh;
        border: 0;
        border-radius: 0;
      }
      .chatkit-bubble[aria-expanded="true"] {
        display: none;
      }
    }
    @media (prefers-reduced-motion: reduce) {
      #chatkit-panel,
      #chatkit-panel[inert] {
        transition: none;
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
