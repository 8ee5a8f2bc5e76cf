import type { ChatKitEvents, ChatKitOptions } from "@openai/chatkit";

/** "chatkit.thread.change" as "onThreadChange". */
type HandlerName<Event extends string> = Event extends `chatkit.${infer Rest}`
  ? `on${CamelCase<Rest>}`
  : never;

type CamelCase<Dotted extends string> = Dotted extends `${infer Head}.${infer Rest}`
  ? `${Capitalize<Head>}${CamelCase<Rest>}`
  : Capitalize<Dotted>;

type Handlers = {
  [Event in keyof ChatKitEvents as HandlerName<Event>]?: (
    detail: ChatKitEvents[Event]["detail"],
  ) => void;
};

/** What the server learns about the page that is being read. */
export interface ReadPage {
  url: string;
  title?: string;
  heading?: string;
  version?: string;
  locale?: string;
}

/** What only code can say: the default export of the module that the option `setup` names. */
export interface Setup extends Handlers {
  /** Sent with every request, such as `Authorization`; asked for each time. */
  headers?: () => HeadersInit | Promise<HeadersInit>;
  /** Used instead of the browser's own for every request to the server. */
  fetch?: typeof fetch;
  /** Changes what the server learns about the page, or keeps it back. */
  page?: (page: ReadPage) => ReadPage | undefined;
  onClientTool?: ChatKitOptions["onClientTool"];
  widgets?: ChatKitOptions["widgets"];
  entities?: ChatKitOptions["entities"];
  commands?: ChatKitOptions["commands"];
}
