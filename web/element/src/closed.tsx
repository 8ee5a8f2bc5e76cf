/** Where nothing more can be said. */

import type { ThreadStatus } from "@docs-chatkit/core";

import { useStyles } from "./sheet.js";
import css from "./closed.css";
import { later } from "./later.js";
import { strings } from "./strings.js";

/** Stands where the composer was when the server takes no more messages in a thread. */
export function ClosedNote({ status, onNew }: { status: ThreadStatus; onNew: () => void }) {
  const reason = status.type === "active" ? null : status.reason;
  return (
    <div class="closed" ref={useStyles<HTMLDivElement>(css)}>
      <p>{reason ?? later().closed}</p>
      <button type="button" class="text-button" onClick={onNew}>
        {strings.newChat}
      </button>
    </div>
  );
}
