/** Keys that belong to a word which is still being put together, as in Japanese. */

/**
 * Safari tells of the key that ends a word, such as Enter or Escape, only when the word is ended; what
 * it was for is in the old code alone.
 */
export function isComposing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else tells in Safari
  return event.isComposing || event.keyCode === 229;
}
