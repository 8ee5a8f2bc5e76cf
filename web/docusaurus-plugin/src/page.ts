// The element's package keeps what knows pages of any kind.
export {
  isComposing,
  keepAboveKeyboard,
  pageText,
  readDestination,
  readPage,
  showPassage,
} from "../../element/src/page/index";
