"""The command line."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Literal

import click

from . import __version__
from .command import Commands, Failure, run, settings_for
from .doctor import doctor
from .errors import SettingsError
from .evaluating import evaluate
from .indexing import index
from .monitoring import monitoring
from .settings import Settings
from .threads import threads
from .unanswered import unanswered


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(__version__, prog_name="chatkit-server")
def main() -> None:
    """Answers questions about a documentation site, with citations, over the ChatKit protocol.

    \b
    Without any setting everything runs on this machine: Postgres and the search engine are
    embedded, and answers quote the docs. A first try:
      chatkit-server index docs/
      chatkit-server serve
    Settings come from the environment and from .env; .env.example lists them all.
    """


@main.command(short_help="Run the server, with the chat page and the site.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.  [default: $PORT or 8000]")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port.",
)
def serve(host: str, port: int | None, workers: int) -> None:
    """Run the server: POST /chatkit, the chat page at /chat, the site at /.

    \b
    Stop it with Ctrl-C: running answers get CHATKIT_DRAIN seconds, then what was sent is kept.
    """
    settings = settings_for(port=port)

    from .serving import run_server

    try:
        settings.check_embedded("database", "search")
        settings.check_identity()
        run_server(settings, host=host, workers=workers, notes=_parts_in_use(settings))
    except SettingsError as error:
        raise Failure(str(error)) from None


def _parts_in_use(settings: Settings) -> list[str]:
    embedded = [
        name
        for name, url in (
            ("Postgres (DATABASE_URL)", settings.database_url),
            ("search engine (QDRANT_URL)", settings.qdrant_url),
        )
        if url is None
    ]
    lines = []
    if embedded:
        lines.append(f"Embedded in {settings.data_dir}: {', '.join(embedded)}.")
    if not settings.model_on:
        lines.append("No model (OPENAI_API_KEY or OPENAI_BASE_URL): answers quote the docs.")
    return lines


_version = click.option("--version", help="Of the docs, or `*` for all.  [default: the latest]")
_locale = click.option("--locale", help="Language of the docs, or `*` for all.  [default: theirs]")


@main.command(short_help="Show what the search tool finds for a query.")
@click.argument("query")
@click.option(
    "--limit", type=click.IntRange(1, 50), help="How many.  [default: CHATKIT_SEARCH_LIMIT]"
)
@_version
@_locale
@click.option("--json", "as_json", is_flag=True, help="Print the hits as JSON.")
def search(
    query: str, limit: int | None, version: str | None, locale: str | None, as_json: bool
) -> None:
    """Show what the search tool finds, as the model gets it, and whether it covers the query."""
    from .search import open_passages

    settings = settings_for()

    async def work() -> Any:
        async with open_passages(settings) as passages:
            # What does not answer now is met again, and told, by the search itself.
            with suppress(ConnectionError):
                check = await passages.check_model()
                if check is not None and check.verdict == "other":
                    raise Failure(
                        f"{check.explain(passages.collection)}; `chatkit-server doctor` says more"
                    )
            results = await passages.search(
                query, limit=limit or settings.search_limit, version=version, locale=locale
            )
            return results, bool(results) or await passages.count() > 0

    results, is_indexed = run(work)
    if as_json:
        fields = ("url", "title", "text", "version", "locale")
        found = [
            {
                "score": round(hit.score, 4),
                "coverage": round(hit.coverage, 3),
                "headings": list(hit.headings),
                **{name: getattr(hit, name) for name in fields},
            }
            for hit in results
        ]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not results:
        hint = "" if is_indexed else " Nothing is indexed: see `chatkit-server index --help`."
        click.echo(f"Nothing found.{hint}")
        return
    for number, hit in enumerate(results, 1):
        place = " › ".join((hit.title, *hit.headings))
        first = " ".join(hit.text.split())[:160]
        click.echo(
            f"{number:2}. {hit.score:7.3f}  {place}\n             {hit.url}\n             {first}"
        )
    verdict = "The docs cover this" if results.covered else "The docs don't seem to cover this"
    click.echo(f"{verdict} (confidence {results.confidence:.2f}).")


@main.command(short_help="Ask one question, and print the answer and its sources.")
@click.argument("question")
@_version
@_locale
@click.option("--json", "as_json", is_flag=True, help="Print answer and sources as JSON.")
def ask(question: str, version: str | None, locale: str | None, as_json: bool) -> None:
    """Ask one question through the real server code, and print the answer and its sources.

    Version and language are those of the page that the reader is on. The thread is deleted again.
    """
    settings = settings_for()

    async def work() -> dict[str, Any]:
        from .ask import ask_once
        from .context import ReadingPage
        from .parts import open_parts

        page = ReadingPage.read({"version": version, "locale": locale})
        async with open_parts(settings, journal=False) as parts:
            shown = None if as_json else lambda text: click.echo(text, nl=False)
            return await ask_once(parts.server, question, page=page, show=shown)

    answer = run(work)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        click.echo()
        for source in answer["sources"]:
            place = " › ".join(part for part in (source["title"], source["section"]) if part)
            click.echo(f"[{source['number']}] {place}\n    {source['url']}")
    if answer["error"]:
        raise Failure(answer["error"])


@main.command()
def migrate() -> None:
    """Bring the database to this version's schema.

    `serve` does it by itself unless CHATKIT_MIGRATE is off. Any number of processes may do it at
    once. Migrations use DATABASE_URL_UNPOOLED where it is set.
    """
    settings = settings_for()

    async def work() -> list[str]:
        from .storage import migrate_database

        return await migrate_database(settings)

    applied = run(work)
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("The database is up to date.")


@main.command(short_help="Switch answering on or off for every server.")
@click.argument("mode", type=click.Choice(["on", "quotes", "off"]), required=False)
@click.option("--message", help="What readers are told while it is not on.")
def answering(mode: Literal["on", "quotes", "off"] | None, message: str | None) -> None:
    """Switch answering on or off for every server of the database, or show how it stands.

    \b
    on      the model answers
    quotes  answers quote the docs, and the model is not called
    off     new questions are refused, and running answers stop within two seconds

    Earlier chats can be read all the while.
    """
    settings = settings_for()
    if message is not None and mode in (None, "on"):
        raise Failure("--message is for `quotes` and `off`: readers see it while they last")

    async def work() -> Any:
        from .storage import switch_answering

        return await switch_answering(settings, mode, message)

    now = run(work)
    click.echo(f"Answering is {now.mode}{f': {now.message}' if now.message else '.'}")
    if now.tokens:
        click.echo(f"Tokens used today, where a budget counts them: {now.tokens:,}")


main.add_command(index)
main.add_command(evaluate)
main.add_command(doctor)
main.add_command(monitoring)
main.add_command(threads)
main.add_command(unanswered)
