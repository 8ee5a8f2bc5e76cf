/** A component that is rendered anew only when one of its props is another object. */

import { Component, type ComponentChildren } from "preact";

export function memo<P extends object>(render: (props: P) => ComponentChildren) {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.some((key) => next[key] !== this.props[key]);
    }

    render(): ComponentChildren {
      return render(this.props);
    }
  };
}
