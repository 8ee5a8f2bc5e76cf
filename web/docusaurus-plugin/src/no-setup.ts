/** Stands in for the site's own module where the option `setup` is not given. */
import type { Setup } from "./setup";

const setup: Setup = {};
export default setup;
