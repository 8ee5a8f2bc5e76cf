import Link from "@docusaurus/Link";
import CodeBlock from "@theme/CodeBlock";
import Heading from "@theme/Heading";
import Layout from "@theme/Layout";
import clsx from "clsx";
import type { ReactNode } from "react";

import styles from "./index.module.css";

const features = [
  {
    title: "Cited to the heading",
    text: "The agent answers from your docs, and each passage it used is linked to the heading it came from. A click opens that heading with the chat still open.",
  },
  {
    title: "Threads in your Postgres",
    text: "History is kept in a database of yours. Stop keeps what was already said, a reload brings the thread back, and nobody reads the threads of somebody else.",
  },
  {
    title: "No third party in the page",
    text: "The chat is served by you: no CDN, no telemetry, no domain key. Before the first click the bubble costs each page less than 1.5 KB.",
  },
  {
    title: "Works before it is configured",
    text: "PostgreSQL and the Qdrant engine come along for a laptop. Without a model it quotes the best passages; set a key and it writes the answer.",
  },
];

function Sample(): ReactNode {
  return (
    <figure className={styles.sample} aria-label="What an answer looks like">
      <p className={styles.question}>How do I connect it to Neon?</p>
      <p className={styles.answer}>
        Set <code>DATABASE_URL</code> to the pooled connection string of your project
        <span className={styles.mark}>1</span>. The server makes its own tables in a schema named{" "}
        <code>chatkit</code>
        <span className={styles.mark}>1</span>, and all other settings are listed in one place
        <span className={styles.mark}>2</span>.
      </p>
      <ol className={styles.sources}>
        <li>
          <span className={styles.mark}>1</span> <Link to="/docs/neon">Neon</Link>
        </li>
        <li>
          <span className={styles.mark}>2</span> <Link to="/docs/configuration">Configuration</Link>
        </li>
      </ol>
    </figure>
  );
}

export default function Home(): ReactNode {
  return (
    <Layout description="A ChatKit server for documentation sites: threads in Postgres, answers from your docs through Qdrant, cited to the heading.">
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
              Or ask it right here: the bubble in the corner answers from these pages.
            </p>
          </div>
          <Sample />
        </div>
      </header>
      <main>
        <section className={styles.features}>
          <div className={clsx("container", styles.featureGrid)}>
            {features.map(({ title, text }) => (
              <div key={title} className={styles.feature}>
                <Heading as="h2">{title}</Heading>
                <p>{text}</p>
              </div>
            ))}
          </div>
        </section>
        <section className={styles.start}>
          <div className={clsx("container", styles.startGrid)}>
            <div>
              <Heading as="h2">On a Docusaurus site</Heading>
              <p>
                The bubble is a plugin of a few lines. It follows your colours, light or dark, and
                leaves your theme and your search alone.
              </p>
              <Link to="/docs/docusaurus">Put it on your site</Link>
            </div>
            <CodeBlock language="ts" title="docusaurus.config.ts">
              {`plugins: [
  [
    "docusaurus-plugin-chatkit",
    {
      url: "https://chat.example.com/chatkit",
      prompts: ["How do I get started?"],
    },
  ],
],`}
            </CodeBlock>
          </div>
        </section>
      </main>
    </Layout>
  );
}
