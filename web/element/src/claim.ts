/** One of the visitor's tabs runs a client tool, and not each that shows its call. */

import { CHANNEL } from "./surroundings.js";

/** See `ChatHost.claim`; the browser ends it with the page. */
export function claim(callId: string): Promise<(() => void) | null> {
  // Not there on plain http.
  const { locks } = navigator as { locks?: LockManager };
  return new Promise((resolve) => {
    const held = locks?.request(`${CHANNEL}:${callId}`, { ifAvailable: true }, (lock) => {
      if (lock) return new Promise<void>((release) => resolve(release));
      resolve(null);
      return undefined;
    });
    if (held) held.catch(() => resolve(null));
    else resolve(null);
  });
}
