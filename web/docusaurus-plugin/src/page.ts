// The element's package keeps what knows pages of any kind.
export {
  keepAboveKeyboard,
  pageText,
  readDestination,
  readPage,
  showPassage,
} from "../../element/src/page/index";
