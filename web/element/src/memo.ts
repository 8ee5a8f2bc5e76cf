/** A component that is rendered anew only when a prop is another object, or the language another. */

import { Component, type ComponentChildren } from "preact";

import { strings } from "./strings.js";

export function memo<P extends object>(render: (props: P) => ComponentChildren) {
  return class Memo extends Component<P> {
    language = strings;

    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return this.language !== strings || keys.some((key) => next[key] !== this.props[key]);
    }

    render(): ComponentChildren {
      this.language = strings;
      return render(this.props);
    }
  };
}
