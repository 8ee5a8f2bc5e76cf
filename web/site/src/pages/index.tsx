import Link from "@docusaurus/Link";
import CodeBlock from "@theme/CodeBlock";
import Heading from "@theme/Heading";
import Layout from "@theme/Layout";
import ThemedImage from "@theme/ThemedImage";
import useBaseUrl from "@docusaurus/useBaseUrl";
import clsx from "clsx";
import type { ReactNode } from "react";

import { Demo } from "../demo/Demo";
import styles from "./index.module.css";

const figures = [
  {
    value: "50 of 56",
    text: "questions of real users find the right page among the first five, by words alone",
    link: { to: "/docs/search-quality", label: "Search quality" },
  },
  {
    value: "0 lost",
    text: "of what a reader was told is done, over 20 kills of the server and 20 outages of its database",
    link: { to: "/docs/faults", label: "What faults cost" },
  },
  {
    value: "1 round trip",
    text: "to the database before the model is called; the guide's own server makes four",
    link: { to: "/docs/performance", label: "Measured" },
  },
  {
    value: "< 1.5 KB",
    text: "on each page before the first click, and nothing from a third party after it",
    link: { to: "/docs/docusaurus", label: "The plugin" },
  },
];

const features = [
  {
    title: "Cited to the heading",
    text: "Each passage that an answer uses is linked to the heading it came from. A click opens that heading, with the chat still open. What the docs don't say, the answer says first.",
  },
  {
    title: "Threads in your Postgres",
    text: "Neon, your own, or the embedded one. Stop keeps what was already said, a reload brings the thread back, and every statement asks whose row it is.",
  },
  {
    title: "No third party in the page",
    text: "You serve the chat: no CDN, no telemetry, no domain key. It works under a strict policy with Trusted Types, by keyboard, and in seven languages.",
  },
  {
    title: "Works before it is configured",
    text: "PostgreSQL and the Qdrant engine come along for a laptop. Without a model it quotes the best passages; set a key and a model writes the answer.",
  },
  {
    title: "Docs from anywhere",
    text: "A built site, a sitemap, a folder of Markdown, or a Qdrant collection that you have. Versions and languages are kept apart, and an index run shows all or nothing.",
  },
  {
    title: "Made for strangers",
    text: "Limits for visitors and addresses, a budget of tokens a day, and one switch that turns answering off. A part that is down makes answers poorer, not the site.",
  },
];

const ALONE = "ChatKit's SDK and OpenAI's UI";
const HERE = "chatkit-server";
const comparison = [
  {
    what: "Threads and items",
    alone: "a store that you write; its traps show with readers, not in a demo",
    here: "in Postgres, with a test suite that your own store may run too",
  },
  {
    what: "A reader who leaves, Stop, a killed server",
    alone: "the answer is lost, or runs on and is paid for",
    here: "what was written is kept, and the model stops",
  },
  {
    what: "Answers from your docs",
    alone: "an agent and a search that you write",
    here: "index, search, citations and a bubble for your site",
  },
  {
    what: "The chat in the page",
    alone: "from OpenAI's CDN, with a key for each domain",
    here: "served by you, with the same interface",
  },
  {
    what: "A wrong request",
    alone: "often a 500, or a stream that breaks",
    here: "a status and a sentence",
  },
];

export default function Home(): ReactNode {
  return (
    <Layout
      title="Your docs can answer for themselves"
      description="A ChatKit server for documentation sites: threads in Postgres, answers from your docs through Qdrant, cited to the heading."
    >
      <header className={styles.hero}>
        <div className={clsx("container", styles.heroGrid)}>
          <div>
            <Heading as="h1" className={styles.title}>
              Your docs can answer for themselves
            </Heading>
            <p className={styles.lead}>
              A ChatKit server for documentation sites. Readers ask in a bubble on every page, and
              get an answer that links to the place it was taken from. All of it runs on servers of
              your own.
            </p>
            <div className={styles.buttons}>
              <Link
                className={clsx("button button--primary button--lg", styles.primary)}
                to="/docs/getting-started"
              >
                Get started
              </Link>
              <Link
                className={clsx("button button--secondary button--lg", styles.secondary)}
                to="/docs/how-a-turn-works"
              >
                How it works
              </Link>
            </div>
            <p className={styles.hint}>
              Try it right here, or in the bubble in the corner, as your readers would.
            </p>
          </div>
          <Demo />
        </div>
      </header>
      <main>
        <section className={styles.figures} aria-label="Figures">
          <dl className={clsx("container", styles.figureGrid)}>
            {figures.map(({ value, text, link }) => (
              <div key={value}>
                <dt>{value}</dt>
                <dd>
                  {text}. <Link to={link.to}>{link.label}</Link>
                </dd>
              </div>
            ))}
          </dl>
        </section>
        <section className={styles.features}>
          <div className="container">
            <Heading as="h2" className={styles.heading}>
              What you get
            </Heading>
            <div className={styles.featureGrid}>
              {features.map(({ title, text }) => (
                <div key={title} className={styles.feature}>
                  <Heading as="h3">{title}</Heading>
                  <p>{text}</p>
                </div>
              ))}
            </div>
          </div>
        </section>
        <section className={styles.band}>
          <div className={clsx("container", styles.split)}>
            <div>
              <Heading as="h2" className={styles.heading}>
                On every page of your site
              </Heading>
              <p>
                For Docusaurus, the bubble is a plugin of a few lines. It takes your colours and
                fonts, light or dark, leaves your theme and your search alone, and stays open while
                the reader moves from page to page. <Link to="/docs/docusaurus">The plugin</Link>
              </p>
              <p>
                Any other site needs one script tag. <Link to="/docs/other-sites">Other sites</Link>
              </p>
              <CodeBlock language="ts" title="docusaurus.config.ts">
                {`plugins: [
  ["docusaurus-plugin-chatkit", { url: "/chatkit" }],
],`}
              </CodeBlock>
              <CodeBlock language="html" title="any page">
                {`<script
  src="https://chat.example.com/chat/static/chatkit-bubble.js"
  defer
></script>`}
              </CodeBlock>
            </div>
            <ThemedImage
              className={styles.shot}
              alt="A documentation page with the chat open beside it: a question, and an answer with numbered citations."
              width="1280"
              height="800"
              loading="lazy"
              sources={{
                light: useBaseUrl("/img/open-light.webp"),
                dark: useBaseUrl("/img/open-dark.webp"),
              }}
            />
          </div>
        </section>
        <section className={styles.features}>
          <div className="container">
            <Heading as="h2" className={styles.heading}>
              How it compares
            </Heading>
            <p className={styles.intro}>
              ChatKit&apos;s SDK speaks the protocol and leaves the rest to you.{" "}
              <Link to="/docs/sdk-traps">What the SDK leaves to you</Link> names each point, with the
              test that shows it.
            </p>
            <div className={styles.tableBox} tabIndex={0} role="region" aria-label="Comparison">
              <table className={styles.table}>
                <thead>
                  <tr>
                    <td />
                    <th scope="col">{ALONE}</th>
                    <th scope="col">{HERE}</th>
                  </tr>
                </thead>
                <tbody>
                  {comparison.map(({ what, alone, here }) => (
                    <tr key={what}>
                      <th scope="row">{what}</th>
                      <td data-column={ALONE}>{alone}</td>
                      <td data-column={HERE}>{here}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            <p className={styles.intro}>
              A hosted assistant asks less of you: nothing runs on your side, and questions, answers
              and their readers are on somebody else&apos;s. Take one if that suits you. Parts of
              this, such as the store or the search, also work alone in{" "}
              <Link to="/docs/tools">a server of your own</Link>.
            </p>
          </div>
        </section>
        <section className={styles.band}>
          <div className={clsx("container", styles.split)}>
            <div>
              <Heading as="h2" className={styles.heading}>
                Running in a few minutes
              </Heading>
              <p>
                With Python, Node and make, in a clone: no account, no key, no other service. Then
                point it at your docs, and add a model, Neon or Qdrant Cloud by one variable each.
              </p>
              <Link to="/docs/getting-started">Getting started</Link>
            </div>
            <CodeBlock language="bash">
              {`# these docs, with the chat
make run

# yours, answered by a model
chatkit-server index ~/my-site/build
OPENAI_API_KEY=sk-... chatkit-server serve`}
            </CodeBlock>
          </div>
        </section>
      </main>
    </Layout>
  );
}
