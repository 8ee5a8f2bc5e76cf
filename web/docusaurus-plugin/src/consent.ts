/**
 * Calls `given` once the site says that the reader has consented, or has consented before, and
 * `withdrawn` when they change their mind. Until then nothing is stored, and afterwards nothing is left.
 */
export function watchConsent(namespace: string, given: () => void, withdrawn: () => void): void {
  const key = `${namespace}:consent`;
  addEventListener("chatkit:consent", ({ detail }: CustomEventInit<unknown>) => {
    if (detail === false) {
      withdrawn();
      attempt(() => forget(`${namespace}:`));
    } else {
      attempt(() => localStorage.setItem(key, "1"));
      given();
    }
  });
  if (window.chatkitConsent || attempt(() => localStorage.getItem(key))) given();
}

function forget(prefix: string): void {
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) if (key.startsWith(prefix)) storage.removeItem(key);
  }
}

/** Even reading the property throws where a browser blocks storage. */
function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
