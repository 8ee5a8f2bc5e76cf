/** An image that is being made, and what has become of it. */

import type { GeneratedImageItem } from "@docs-chatkit/core";

import { imageSource, safeHref } from "./links.js";
import { linkTarget, type MarkdownRules } from "./markdown.js";
import css from "./picture.css";
import { useStyles } from "./sheet.js";
import { later } from "./later.js";
import { strings } from "./strings.js";

interface PictureProps {
  item: GeneratedImageItem;
  /** Whether the answer that the image belongs to is still being written. */
  busy: boolean;
  rules: MarkdownRules;
}

export function Picture({ item: { image, progress }, busy, rules }: PictureProps) {
  const root = useStyles<HTMLElement>(css);
  const src = image ? imageSource(image.url, rules.imageDomains) : null;
  const href = image && src === null ? safeHref(image.url) : null;
  // Without a progress, a stored image is done.
  const making = busy && (image == null || (progress != null && progress < 1));
  if (image && src === null) {
    return href === null ? null : (
      <p>
        <a href={href} {...linkTarget(href)}>
          {strings.image}
        </a>
      </p>
    );
  }
  if (src === null && !making) return null;
  return (
    <figure class={making ? "picture making" : "picture"} ref={root} aria-busy={making}>
      {src !== null && <img src={src} alt={strings.image} referrerPolicy="no-referrer" />}
      {making && (
        <figcaption>
          <span>{later().drawing}</span>
          <progress
            aria-label={later().drawing}
            {...(progress != null && { value: Math.min(Math.max(progress, 0), 1) })}
          />
        </figcaption>
      )}
    </figure>
  );
}
