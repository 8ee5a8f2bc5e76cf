// OpenAI's own element, which only OpenAI may serve.
const TAG = "openai-chatkit";
const SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";

const PROBE_MS = 1500;
const DEFINE_MS = 1500;
/** From the element's first render until it says that it is ready. */
export const READY_MS = 3000;

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL: (url: string) => string };
}

/** Fails in less than four seconds, whatever the network does, or once it is not wanted any more. */
export async function loadOfficial(isWanted: () => boolean): Promise<void> {
  if (customElements.get(TAG)) return;
  // First without running it: a script that comes too late cannot be called back, and would stand
  // beside the chat that took its place. A policy that allows the script allows this too.
  const probe = document.createElement("link");
  probe.rel = "preload";
  probe.as = "script";
  probe.href = SCRIPT;
  try {
    await within(PROBE_MS, added(probe));
  } finally {
    probe.remove();
  }
  if (!isWanted()) throw new Error(`${SCRIPT} is not wanted any more`);
  const script = document.createElement("script");
  // The last line where a page demands trusted types; they have no types of their own yet.
  const { trustedTypes } = window as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy("docs-chatkit", { createScriptURL: (url) => url });
  script.src = policy?.createScriptURL(SCRIPT) ?? SCRIPT;
  await within(
    DEFINE_MS,
    added(script).then(() => customElements.whenDefined(TAG)),
  );
}

function added(element: HTMLLinkElement | HTMLScriptElement): Promise<void> {
  return new Promise((resolve, reject) => {
    element.onload = () => {
      resolve();
    };
    element.onerror = () => {
      reject(new Error(`${SCRIPT} could not be loaded`));
    };
    document.head.append(element);
  });
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${SCRIPT} took more than ${ms} ms`));
    }, ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
