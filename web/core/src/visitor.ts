/** Who the visitor is and which thread they had open, kept by the browser. */

import type { PageContext } from "./protocol.js";

/** The part of `localStorage` that is used. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface VisitorOptions {
  /** Keys begin with it, so that two sites on one origin stay apart. */
  namespace?: string;
  /** By default the browser's `localStorage`, or memory where that is blocked. */
  storage?: KeyValueStorage;
}

export interface VisitorFetchOptions extends VisitorOptions {
  /** What the visitor is reading; asked for at each request. */
  page?: () => PageContext | undefined;
  fetch?: typeof fetch;
}

export const DEFAULT_NAMESPACE = "docs-chatkit";

const SECRET = /^[A-Za-z0-9_-]{32,256}$/;
const HEADER = "X-Session-Id";

/** A `fetch` for `api.fetch`: it sends the visitor's secret, and the page in the metadata. */
export function visitorFetch(options: VisitorFetchOptions = {}): typeof fetch {
  const { namespace = DEFAULT_NAMESPACE, storage = browserStorage(), page } = options;
  return (input, init = {}) => {
    const inherited = input instanceof Request ? input.headers : undefined;
    const headers = new Headers(init.headers ?? inherited);
    headers.set(HEADER, visitorSecret(storage, `${namespace}:visitor`));
    const body = page ? withPage(init.body, page()) : init.body;
    return (options.fetch ?? globalThis.fetch)(input, { ...init, headers, body });
  };
}

export interface StoredThread {
  read(): string | null;
  write(threadId: string | null): void;
}

/** The id of the thread that was open last, for `initialThread` and `onThreadChange`. */
export function storedThread(options: VisitorOptions = {}): StoredThread {
  const { namespace = DEFAULT_NAMESPACE, storage = browserStorage() } = options;
  const key = `${namespace}:thread`;
  return {
    read: () => storage.getItem(key),
    write: (threadId) => {
      if (threadId === null) storage.removeItem(key);
      else storage.setItem(key, threadId);
    },
  };
}

/** One for the page: options that are set anew, with a `fetch` of their own, are no other visitor's. */
const memory = new Map<string, string>();

/** `localStorage` as long as it works, memory from the first refusal on. */
export function browserStorage(): KeyValueStorage {
  const attempt = <T>(use: (storage: KeyValueStorage) => T, otherwise: () => T): T => {
    try {
      // Even reading the property throws where a browser blocks storage.
      const { localStorage } = globalThis as { localStorage?: KeyValueStorage };
      return localStorage ? use(localStorage) : otherwise();
    } catch {
      return otherwise();
    }
  };
  return {
    getItem: (key) =>
      memory.get(key) ??
      attempt(
        (storage) => storage.getItem(key),
        () => null,
      ),
    setItem: (key, value) =>
      attempt(
        (storage) => {
          storage.setItem(key, value);
          memory.delete(key);
        },
        () => {
          memory.set(key, value);
        },
      ),
    removeItem: (key) => {
      memory.delete(key);
      attempt(
        (storage) => {
          storage.removeItem(key);
        },
        () => undefined,
      );
    },
  };
}

function visitorSecret(storage: KeyValueStorage, key: string): string {
  const stored = storage.getItem(key);
  if (stored !== null && SECRET.test(stored)) return stored;
  storage.setItem(key, makeSecret());
  // Read back, so that two tabs opened at once agree on the one that was written last.
  return storage.getItem(key) ?? "";
}

/** 256 random bits as base64url. `randomUUID` would be missing on plain http. */
export function makeSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function withPage(body: BodyInit | null | undefined, page: PageContext | undefined) {
  if (typeof body !== "string" || !page) return body;
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch {
    return body;
  }
  if (typeof request !== "object" || request === null || Array.isArray(request)) return body;
  const { metadata } = request as { metadata?: object };
  return JSON.stringify({ ...request, metadata: { ...metadata, page } });
}
