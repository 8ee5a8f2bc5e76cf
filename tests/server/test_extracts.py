"""What of a passage a citation shows: the words that a statement rests on."""

import pytest

from chatkit_server.extracts import MAX_CHARS, extract

PASSAGE = """\
Neon is serverless Postgres. It sleeps when nobody asks.

## Pooling

Use the **pooled** host, `ep-cool-pooler.neon.tech`, for [many connections](/docs/pool#many).
Set `max_size` to *10* at most!

| setting | meaning |
|---|---|
| `DATABASE_URL` | where the threads are kept |

```bash
export DATABASE_URL=postgres://user@host/db
```

1. Restart the server.
> A snake_case_name \\*stays\\*, ~~mostly~~. <br/> 2 < 3.
"""


@pytest.mark.parametrize(
    ("answer", "begins"),
    [
        ("", "Neon is serverless Postgres. It sleeps when nobody asks. Pooling"),
        (
            "First, restart it. Take the pooled host for many connections",
            "Use the pooled host, ep-",
        ),
        ("Mehr als max_size 10 geht nicht.", "Set max_size to 10 at most! setting"),
        ("Write export DATABASE_URL with your user and host", "export DATABASE_URL=postgres://"),
        ("The threads are kept where this setting says", "DATABASE_URL where the threads are kept"),
        (
            "Then restart the server.",
            "Restart the server. A snake_case_name *stays*, mostly. 2 < 3.",
        ),
        ("Something else entirely.", "Neon is serverless"),
    ],
)
def test_an_extract_is_where_the_statement_comes_from(answer: str, begins: str) -> None:
    found = extract(PASSAGE, answer)

    assert found.startswith(begins)
    assert len(found) <= MAX_CHARS
    assert "`" not in found
    assert "**" not in found


def test_an_extract_ends_with_a_sentence_or_says_that_it_was_cut() -> None:
    assert extract("One. " * 100, "").endswith("One.")
    cut = extract("word " * 100, "")
    assert cut.endswith("word…")
    assert len(cut) <= MAX_CHARS
    assert len(extract("字" * 500, "")) == MAX_CHARS


@pytest.mark.parametrize("text", ["", "\n\n", "---", "| | |\n|---|---|", "```\n```", "[…]"])
def test_a_passage_without_words_has_no_extract(text: str) -> None:
    assert extract(text, "Anything at all") == ""


@pytest.mark.parametrize("piece", ["*", "_", "`", "[", "](", "\\", "**a ", "| ", "# ", "> ", "<a "])
def test_odd_markup_takes_no_time(piece: str) -> None:
    extract(piece * 4000, piece * 4000)
