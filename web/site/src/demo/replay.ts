/** Answers from a recording, where no server is behind the site. */

interface Turn {
  question: string;
  events: Event[];
}

interface Event {
  type: string;
  thread?: { id: string };
}

const PACE_MS = 40;
const ID = /"((?!thr_)[a-z]+_[0-9a-zA-Z]{16,})"/g;

/** A `fetch` that speaks the protocol from what `make shots` has recorded. */
export function replay(turns: readonly Turn[]): typeof fetch {
  let asked = 0;
  return (_input, init) => {
    const { type, params } = readRequest(init?.body);
    if (type === "threads.list" || type === "items.list") {
      return Promise.resolve(Response.json({ data: [], has_more: false, after: null }));
    }
    const question = params?.input?.content?.[0]?.text;
    const turn = turns.find((known) => known.question === question?.trim());
    if (!turn) return Promise.resolve(refuse(type));
    asked += 1;
    return Promise.resolve(play(turn, asked, params?.thread_id, init?.signal));
  };
}

interface Request {
  type?: string;
  params?: { thread_id?: string; input?: { content?: { text?: string }[] } };
}

function readRequest(body: BodyInit | null | undefined): Request {
  return typeof body === "string" ? (JSON.parse(body) as Request) : {};
}

function refuse(type: string | undefined): Response {
  if (type !== "threads.create" && type !== "threads.add_user_message") {
    return Response.json({ error: { code: "recorded", message: "Recorded." } }, { status: 404 });
  }
  const message =
    "No server is behind this copy of the site, which has recorded answers to the questions above. " +
    "In a clone, `make run` answers yours.";
  return Response.json({ error: { code: "recorded", message } }, { status: 501 });
}

function play(turn: Turn, number: number, threadId: string | undefined, signal?: AbortSignal | null) {
  const recorded = turn.events.find((event) => event.thread)?.thread?.id ?? "";
  const frames = turn.events
    // A thread that goes on is not made again.
    .filter((event) => threadId === undefined || event.type !== "thread.created")
    .map((event) => JSON.stringify(event).replaceAll(recorded, threadId ?? `${recorded}${number}`))
    // Asked twice, an answer is a second one.
    .map((text) => `data: ${text.replace(ID, `"$1${number}"`)}\n\n`);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const frame = frames.shift();
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
      if (frame === undefined || signal?.aborted) controller.close();
      else controller.enqueue(encoder.encode(frame));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}
