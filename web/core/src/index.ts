/** The ChatKit protocol for browsers. Nothing here touches the DOM. */

export * from "./chat.js";
export * from "./citations.js";
export * from "./client.js";
export * from "./errors.js";
export type { HistoryState } from "./history.js";
export * from "./protocol.js";
export * from "./sources.js";
export { EventParser, readEvents } from "./sse.js";
export * from "./state.js";
export * from "./thread.js";
export * from "./visitor.js";
export * from "./widget.js";
