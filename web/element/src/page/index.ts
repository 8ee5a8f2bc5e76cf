/** The page around a chat: what the reader has there, and the ways from the chat into it. */

export { isComposing } from "./composing.js";
export { keepAboveKeyboard } from "./keyboard.js";
export { pageText, readDestination, showPassage } from "./passage.js";
export { findContent, readPage } from "./read.js";
