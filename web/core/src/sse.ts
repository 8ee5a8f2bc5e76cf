/** Splits a server-sent event stream into the data of its events. */

/** Takes text in any pieces; gives the data of each event as soon as its blank line is there. */
export class EventParser {
  #buffer = "";
  #scanned = 0;
  #data: string[] = [];
  #started = false;

  push(text: string): string[] {
    if (!this.#started && text !== "") {
      this.#started = true;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    this.#buffer += text;
    const events: string[] = [];
    let start = 0;
    for (let at = this.#scanned; at < this.#buffer.length; at++) {
      const char = this.#buffer[at];
      if (char !== "\n" && char !== "\r") continue;
      // A CR at the end may be half of a CRLF: it counts when the next character is known.
      if (char === "\r" && at + 1 === this.#buffer.length) break;
      this.#line(this.#buffer.slice(start, at), events);
      if (char === "\r" && this.#buffer[at + 1] === "\n") at++;
      start = at + 1;
    }
    this.#buffer = this.#buffer.slice(start);
    this.#scanned = this.#buffer.endsWith("\r") ? this.#buffer.length - 1 : this.#buffer.length;
    return events;
  }

  #line(line: string, events: string[]): void {
    if (line === "") {
      if (this.#data.length > 0) events.push(this.#data.join("\n"));
      this.#data = [];
    } else if (line === "data") {
      this.#data.push("");
    } else if (line.startsWith("data:")) {
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    }
    // Comments and the fields event, id and retry have no meaning in this protocol.
  }
}

/**
 * The data of each event of a body. An event that the end cuts off is not given. Where the server
 * fills its silence, more than `silence` seconds of it are an error: nobody tells of a connection
 * that a sleeping laptop or a proxy has lost.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  silence = 0,
): AsyncGenerator<string> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const dead = new AbortController();
  const giveUp = () => {
    dead.abort(new Error(`nothing has come for ${silence} seconds`));
    reader.cancel().catch(() => undefined);
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(timer);
      dead.signal.throwIfAborted();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
      // Not before the first piece: a proxy may hold everything back until the end.
      if (silence > 0) timer = setTimeout(giveUp, silence * 1000);
    }
  } finally {
    clearTimeout(timer);
    // Also when the reader of the events leaves early: the server must hear of it.
    await reader.cancel().catch(() => undefined);
  }
}
