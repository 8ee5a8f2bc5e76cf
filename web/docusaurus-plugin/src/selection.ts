// Loaded when a reader first marks text on a page.
export { watchSelection } from "../../element/src/page/selection";
