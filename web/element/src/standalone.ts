/** For pages without a bundler: `<script type="module">` with this file defines the element. */

import { define } from "./define.js";

export { storedThread, visitorFetch } from "@docs-chatkit/core";
export * from "./index.js";

define();
