/** The server behind the site, or what was recorded of it where there is none. */

import { replay } from "./replay";

export type Source = "live" | "recorded";

interface Sources {
  live: typeof fetch;
  /** The address of the recorded turns. */
  recording: string;
  /** Called once, with the first answer. */
  onSource: (source: Source) => void;
}

/** A `fetch` that finds out which of them answers when it is first used. */
export function liveOrRecorded({ live, recording, onSource }: Sources): typeof fetch {
  let chosen: typeof fetch | undefined;
  return async (input, init) => {
    if (chosen) return chosen(input, init);
    const response = await live(input, init).catch((error: unknown) => {
      if (init?.signal?.aborted) throw error;
      return null;
    });
    if (response && isOfServer(response)) {
      chosen = live;
      onSource("live");
      return response;
    }
    const turns = (await (await fetch(recording)).json()) as Parameters<typeof replay>[0];
    chosen = replay(turns);
    onSource("recorded");
    return chosen(input, init);
  };
}

/** A host of plain files has a page of its own at the address, or words about the method. */
function isOfServer({ headers }: Response): boolean {
  return /json|event-stream/.test(headers.get("Content-Type") ?? "");
}
