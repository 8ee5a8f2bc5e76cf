/** Loaded when the reader first marks a text of the page. */

export { watchSelection } from "../../element/src/page/selection.js";
