/** Brings the reader's files to the server. */

import {
  type Attachment,
  type ChatClient,
  ChatError,
  describeFailure,
  isAbort,
} from "@docs-chatkit/core";
import type { ComposerOption, CustomApiConfig } from "@openai/chatkit";

import { later } from "./later.js";
import type { DraftChange, DraftFile } from "./draft.js";
import { locale, strings, wordsOf } from "./strings.js";

type Rules = NonNullable<ComposerOption["attachments"]>;

export interface UploadHost {
  client: ChatClient;
  api: CustomApiConfig;
  rules: Rules | undefined;
  files: () => readonly DraftFile[];
  change: (change: DraftChange) => void;
  failed: (error: unknown) => void;
}

/** As the published interface says. */
const DEFAULT_MAX_BYTES = 100 * 1024 * 1024;
const DEFAULT_MAX_COUNT = 10;

let keys = 0;

/** Takes what the rules allow, says what they don't, and uploads. Ends when the uploads have. */
export async function attach(files: readonly File[], host: UploadHost): Promise<void> {
  const { maxCount = DEFAULT_MAX_COUNT } = host.rules ?? {};
  const problems: string[] = [];
  const allowed = files.filter((file) => {
    const problem = problemOf(file, host.rules);
    if (problem) problems.push(problem);
    return problem === null;
  });
  const room = Math.max(maxCount - host.files().length, 0);
  if (allowed.length > room) problems.push(later().tooMany(maxCount));
  const uploads = allowed.slice(0, room).map((file) => {
    const upload = new AbortController();
    const entry: DraftFile = {
      key: `file ${++keys}`,
      name: file.name,
      progress: null,
      attachment: null,
      upload,
    };
    return { file, entry, upload };
  });
  host.change((draft) => ({
    problems,
    files: [...draft.files, ...uploads.map(({ entry }) => entry)],
  }));
  await Promise.all(
    uploads.map(({ file, entry: { key }, upload }) => uploadOne(file, key, upload, host)),
  );
}

/** Takes a file out of the draft, and off the server. */
export function detach(key: string, host: UploadHost): void {
  const file = host.files().find((candidate) => candidate.key === key);
  host.change(({ files }) => ({ files: files.filter((other) => other.key !== key), problems: [] }));
  file?.upload?.abort();
  // One that the page gave to the composer is the page's to delete.
  if (file?.attachment && file.upload) forget(file.attachment.id, host);
}

async function uploadOne(
  file: File,
  key: string,
  { signal }: AbortController,
  host: UploadHost,
): Promise<void> {
  const put = (change: Partial<DraftFile>) => {
    host.change(({ files }) => ({
      files: files.map((entry) => (entry.key === key ? { ...entry, ...change } : entry)),
    }));
  };
  let announced: Attachment | undefined;
  try {
    const { uploadStrategy } = host.api;
    if (uploadStrategy?.type === "direct") {
      announced = await uploadDirectly(file, uploadStrategy.uploadUrl, host.api, signal);
    } else {
      const { name, size } = file;
      const params = { name, size, mime_type: typeOf(file) };
      announced = await host.client.call("attachments.create", params, signal);
      await uploadTo(announced, file, signal, (progress) => put({ progress }));
    }
    put({ attachment: announced, progress: 1 });
  } catch (error) {
    if (announced) forget(announced.id, host);
    if (signal.aborted || isAbort(error)) return;
    const why = error instanceof Error ? wordsOf(error) : describeFailure(500, strings.failures);
    host.change(({ files, problems }) => ({
      files: files.filter((entry) => entry.key !== key),
      problems: [...problems, `${later().uploadFailed(file.name)} ${why}`],
    }));
    host.failed(error);
  }
}

async function uploadDirectly(
  file: File,
  url: string,
  api: CustomApiConfig,
  signal: AbortSignal,
): Promise<Attachment> {
  const body = new FormData();
  body.append("file", file);
  const { fetch = globalThis.fetch } = api;
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", body, signal });
  } catch (error) {
    throw isAbort(error) ? error : new ChatError(null, { cause: error });
  }
  if (!response.ok) throw await ChatError.fromResponse(response);
  return (await response.json()) as Attachment;
}

/** By `XMLHttpRequest`: `fetch` does not tell how far an upload is. */
function uploadTo(
  { upload_descriptor: to }: Attachment,
  file: File,
  signal: AbortSignal,
  onProgress: (progress: number) => void,
): Promise<void> {
  if (!to) return Promise.resolve();
  const url = new URL(to.url, location.href);
  if (!/^https?:$/.test(url.protocol) || !["PUT", "POST"].includes(to.method)) {
    throw new ChatError(null, { status: 500 });
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(to.method, url);
    for (const [name, value] of Object.entries(to.headers ?? {})) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded, total }) => {
      if (total > 0) onProgress(loaded / total);
    };
    request.onerror = () => reject(new ChatError(null));
    request.onabort = () => reject(new DOMException("The upload was taken back.", "AbortError"));
    request.onload = () => {
      const { status, responseText } = request;
      if (status >= 200 && status < 300) resolve();
      else ChatError.fromResponse(new Response(responseText, { status })).then(reject, reject);
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function forget(id: string, host: UploadHost): void {
  // If that fails, the server drops files that were never sent by itself.
  host.client.call("attachments.delete", { attachment_id: id }).catch(host.failed);
}

/** Why a file can't be attached, in a sentence. */
export function problemOf(
  file: Pick<File, "name" | "size" | "type">,
  rules?: Rules,
): string | null {
  if (!accepts(file, rules?.accept)) return later().wrongType(file.name);
  if (file.size === 0) return later().emptyFile(file.name);
  const limit = maxBytes(typeOf(file), rules?.maxSize);
  return file.size > limit ? later().tooBig(file.name, sizeText(limit)) : null;
}

function accepts({ name, type }: Pick<File, "name" | "type">, accept: Rules["accept"]): boolean {
  const patterns = Object.keys(accept ?? {});
  if (patterns.length === 0) return true;
  const endings = Object.values(accept ?? {}).flat();
  return (
    patterns.some((pattern) => matches(type, pattern)) ||
    endings.some((ending) => name.toLowerCase().endsWith(ending.toLowerCase()))
  );
}

function maxBytes(type: string, limit: Rules["maxSize"]): number {
  if (typeof limit === "number") return limit;
  const [family] = type.split("/");
  const found = limit?.[type] ?? limit?.[`${family}/*`];
  return found ?? limit?.["*"] ?? limit?.["*/*"] ?? limit?.[""] ?? DEFAULT_MAX_BYTES;
}

function matches(type: string, pattern: string): boolean {
  if (pattern === "*" || pattern === "*/*" || pattern === type) return true;
  return pattern.endsWith("/*") && type.startsWith(pattern.slice(0, -1));
}

function typeOf({ type }: Pick<File, "type">): string {
  return type || "application/octet-stream";
}

/** Such as “10 MB”, in the way of the language. */
function sizeText(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  // Limits are written in either; the one that gives a round number is meant.
  const step = [1024, 1000].find((base) => bytes % base === 0) ?? 1000;
  let [value, power] = [bytes, 0];
  while (value >= step && power < units.length - 1) [value, power] = [value / step, power + 1];
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: units[power],
    maximumFractionDigits: 1,
  }).format(value);
}
