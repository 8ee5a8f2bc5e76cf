/** What whoever runs the page may want to know when its server is not to be had. */

export function hintAtServer(address: string): void {
  const url = new URL(address, document.baseURI).href;
  const elsewhere = new URL(url).origin !== location.origin;
  const allowed =
    ` On another origin it has to allow this page: CHATKIT_ALLOWED_ORIGINS=${location.origin} at ` +
    "chatkit-server.";
  console.warn(
    `The chat gets no answer from a ChatKit server at ${url}.${elsewhere ? allowed : ""}`,
  );
}
