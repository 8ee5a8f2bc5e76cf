/** Parts of the chat that are loaded when they are first shown. */

import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

import { strings } from "./strings.js";

interface LazyProps {
  /** Shown while the part is on its way. */
  placeholder?: ComponentChildren;
}

/**
 * A component that imports itself. A part that can't be loaded, as on a page that was open while the
 * site was deployed anew, says so in its place and leaves the rest of the chat alone.
 */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>) {
  let Loaded: ComponentType<P> | undefined;
  return function Lazy({ placeholder, ...props }: P & LazyProps) {
    const [state, setState] = useState<"loading" | "loaded" | "failed">(
      Loaded ? "loaded" : "loading",
    );
    useEffect(() => {
      // Also where another one has loaded it since this one was rendered.
      if (state !== "loading") return;
      let shown = true;
      load()
        .then((component) => {
          Loaded = component;
          if (shown) setState("loaded");
        })
        .catch(() => {
          if (shown) setState("failed");
        });
      return () => {
        shown = false;
      };
    }, [state]);
    if (Loaded) return <Loaded {...(props as unknown as P)} />;
    if (state !== "failed") return placeholder ?? null;
    return (
      <p class="unloaded" role="alert">
        {strings.notLoaded}{" "}
        <button type="button" class="text-button" onClick={() => setState("loading")}>
          {strings.tryAgain}
        </button>
      </p>
    );
  };
}
