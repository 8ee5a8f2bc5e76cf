// The element's package keeps what knows pages of any kind.
export { pageText, readDestination, readPage, showPassage } from "../../element/src/page/index";
