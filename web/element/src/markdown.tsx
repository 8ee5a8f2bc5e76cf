/** Shows Markdown as virtual nodes. No HTML string is ever made, so there is nothing to sanitise. */

import type { CitedSource, EntitySource, Mark } from "@docs-chatkit/core";
import type { Token, Tokens, TokensList } from "marked";
import type { ComponentChildren, VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";

import { Citation } from "./citation.js";
import { Code } from "./code.js";
import { decodeEntities } from "./entities.js";
import { lex } from "./lexing.js";
import { type Deeplink, isExternal, parseDeeplink, safeHref, safeImage } from "./links.js";
import { insertMarks, splitMarks, takeMarks } from "./marks.js";
import { memo } from "./memo.js";
import type { Highlight } from "./options.js";
import { strings } from "./strings.js";

export type CitedEntity = Omit<EntitySource, "type">;

/** What the page and the thread decide; one object for as long as they stay the same. */
export interface MarkdownRules {
  imageDomains: readonly string[];
  highlight?: Highlight;
  onDeeplink: (link: Deeplink) => void;
  onEntity?: (entity: CitedEntity) => void;
  /** Shows what the page knows of an entity beside what stands for it. */
  onPreview?: (mark: HTMLElement, entity: CitedEntity) => void;
}

interface Context {
  rules: MarkdownRules;
  sources: readonly CitedSource[];
  /** What the outermost heading becomes, so that levels are not skipped. */
  topDepth: number;
}

const NO_MARKS: readonly Mark[] = [];
const NO_SOURCES: readonly CitedSource[] = [];

interface MarkdownProps {
  text: string;
  marks?: readonly Mark[];
  sources?: readonly CitedSource[];
  rules: MarkdownRules;
}

export function Markdown({
  text,
  marks = NO_MARKS,
  sources = NO_SOURCES,
  rules,
}: MarkdownProps): VNode {
  const read = useRef<TokensList>(undefined);
  const tokens = useMemo(
    () => (read.current = lex(insertMarks(text, marks), read.current)),
    [text, marks],
  );
  const depths = tokens.filter(isHeading).map((token) => token.depth);
  const topDepth = depths.length > 0 ? Math.min(...depths) : 1;
  // Definitions may come after the blocks that use them.
  const definitions = JSON.stringify(tokens.links);
  return (
    <div class="markdown">
      {tokens.map((token, i) => (
        <Block
          key={i}
          raw={token.raw}
          token={token}
          rules={rules}
          sources={sources}
          topDepth={topDepth}
          definitions={definitions}
        />
      ))}
    </div>
  );
}

interface BlockProps extends Context {
  raw: string;
  token: Token;
  definitions: string;
}

const RenderedBlock = memo((props: Omit<BlockProps, "token"> & { lexed: { token: Token } }) =>
  block(props.lexed.token, props),
);

/** While an answer streams, only its last block has a new source. */
function Block({ token, ...props }: BlockProps) {
  const { raw, sources } = props;
  // The lexer makes tokens anew; the one of the same source is kept.
  const lexed = useMemo(() => ({ token }), [raw, props.definitions]);
  // So are the sources: one that is cited further down changes nothing here.
  const ids = useMemo(() => takeMarks(raw).ids, [raw]);
  const own = sources.filter(({ id }) => ids.includes(id));
  const cited = useMemo(() => own, [JSON.stringify(own)]);
  return <RenderedBlock {...props} sources={cited} lexed={lexed} />;
}

function blocks(tokens: readonly Token[] | undefined, context: Context): ComponentChildren[] {
  return (tokens ?? []).map((token) => block(token, context));
}

function block(untyped: Token, context: Context): ComponentChildren {
  const token = untyped as
    | Tokens.Heading
    | Tokens.Paragraph
    | Tokens.Code
    | Tokens.Blockquote
    | Tokens.List
    | Tokens.Table
    | Tokens.Hr
    | Tokens.HTML
    | Tokens.Text
    | Tokens.Checkbox
    | Tokens.Space
    | Tokens.Def;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading": {
      const level = Math.min(6, 3 + Math.max(0, token.depth - context.topDepth));
      const Heading = `h${level}` as "h3";
      return <Heading>{inline(token.tokens, context)}</Heading>;
    }
    case "paragraph":
      return <p>{inline(token.tokens, context)}</p>;
    case "code": {
      const { text, ids } = takeMarks(token.text);
      const language = takeMarks(token.lang ?? "");
      return (
        <>
          <Code
            code={text}
            language={language.text.split(/\s/)[0] ?? ""}
            highlight={context.rules.highlight}
          />
          {citations([...language.ids, ...ids], context)}
        </>
      );
    }
    case "blockquote":
      return <blockquote>{blocks(token.tokens, context)}</blockquote>;
    case "list": {
      const items = token.items.map((item, i) => (
        <li key={i} class={item.task ? "task" : undefined}>
          {blocks(item.tokens, context)}
        </li>
      ));
      return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return <Table token={token} context={context} />;
    case "hr":
      return <hr />;
    case "html":
      return <p>{plain(token.text.trim(), context)}</p>;
    case "checkbox":
      return <Checkbox checked={token.checked} />;
    case "text":
      return token.tokens ? inline(token.tokens, context) : plain(token.text, context);
    default:
      return plain((untyped as { raw: string }).raw, context);
  }
}

function Checkbox({ checked }: { checked: boolean }) {
  const label = checked ? strings.done : strings.open;
  return <input type="checkbox" checked={checked} disabled aria-label={label} />;
}

function Table({ token, context }: { token: Tokens.Table; context: Context }) {
  const cell = (Tag: "th" | "td", { tokens, align }: Tokens.TableCell, key: number) => (
    <Tag key={key} style={align ? { textAlign: align } : undefined}>
      {inline(tokens, context)}
    </Tag>
  );
  return (
    <div class="table" tabIndex={0} role="group" aria-label={strings.table}>
      <table>
        <thead>
          <tr>{token.header.map((head, i) => cell("th", head, i))}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, i) => (
            <tr key={i}>{row.map((data, j) => cell("td", data, j))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[] | undefined, context: Context): ComponentChildren[] {
  return (tokens ?? []).map((token) => span(token, context));
}

function span(untyped: Token, context: Context): ComponentChildren {
  const token = untyped as
    | Tokens.Strong
    | Tokens.Em
    | Tokens.Del
    | Tokens.Codespan
    | Tokens.Link
    | Tokens.Image
    | Tokens.Br
    | Tokens.Escape
    | Tokens.Tag
    | Tokens.Text;
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens, context)}</strong>;
    case "em":
      return <em>{inline(token.tokens, context)}</em>;
    case "del":
      return <del>{inline(token.tokens, context)}</del>;
    case "codespan": {
      const { text, ids } = takeMarks(token.text);
      return (
        <>
          <code>{text}</code>
          {citations(ids, context)}
        </>
      );
    }
    case "br":
      return <br />;
    case "link":
      return <Link token={token} context={context} />;
    case "image":
      return <Image token={token} context={context} />;
    case "html":
      // The one tag that answers use on purpose, in tables.
      return /^<br\s*\/?>$/i.test(token.text) ? <br /> : plain(token.text, context);
    case "escape":
      return plain(token.text, context);
    case "text":
      return token.tokens
        ? inline(token.tokens, context)
        : plain(decodeEntities(token.text), context);
    default:
      return plain((untyped as { raw: string }).raw, context);
  }
}

/** A mark inside a link would be a link in a link: it comes after. */
function Link({ token, context }: { token: Tokens.Link; context: Context }) {
  const { text: href, ids: within } = takeMarks(token.href);
  // The text of a bare address is the address, with the same mark in it.
  const ids = [...new Set([...takeMarks(token.text).ids, ...within])];
  const content = inline(token.tokens, { ...context, sources: NO_SOURCES });
  const deeplink = parseDeeplink(href);
  const safe = safeHref(href);
  let link: ComponentChildren = content;
  if (deeplink) {
    link = (
      <button type="button" class="deeplink" onClick={() => context.rules.onDeeplink(deeplink)}>
        {content}
      </button>
    );
  } else if (safe !== null) {
    link = (
      <a href={safe} {...linkTarget(safe)}>
        {content}
      </a>
    );
  }
  return (
    <>
      {link}
      {citations(ids, context)}
    </>
  );
}

/** An image from elsewhere stays a link: loading it would tell its host what the chat says. */
function Image({ token, context }: { token: Tokens.Image; context: Context }) {
  const { text: alt, ids } = takeMarks(token.text);
  const { text: href, ids: within } = takeMarks(token.href);
  const src = safeImage(href, context.rules.imageDomains);
  const safe = safeHref(href);
  const label = alt || strings.image;
  return (
    <>
      {src !== null ? (
        <img src={src} alt={alt} loading="lazy" referrerPolicy="no-referrer" />
      ) : safe === null ? (
        label
      ) : (
        <a href={safe} {...linkTarget(safe)}>
          {label}
        </a>
      )}
      {citations([...ids, ...within], context)}
    </>
  );
}

/** Pages elsewhere open in a tab of their own, so that the chat stays. */
export function linkTarget(href: string) {
  return isExternal(href) ? { target: "_blank", rel: "noopener noreferrer" } : {};
}

function plain(text: string, context: Context): ComponentChildren[] {
  return splitMarks(text).map((part) =>
    typeof part === "string" ? part : citations([part], context),
  );
}

function citations(ids: readonly number[], context: Context): ComponentChildren[] {
  // An address that is its own text has its mark twice.
  return [...new Set(ids)].map((id) => {
    const cited = context.sources.find((source) => source.id === id);
    return cited && <Citation key={`cite-${id}`} cited={cited} rules={context.rules} />;
  });
}

function isHeading(token: Token): token is Tokens.Heading {
  return token.type === "heading";
}
