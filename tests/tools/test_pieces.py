"""Pages are split at headings, and into texts that stand alone."""

import re
import time

import pytest

from chatkit_tools.anchors import Anchors, slugify
from chatkit_tools.links import resolve_links
from chatkit_tools.markup import reduce_markup
from chatkit_tools.pieces import split_pieces


def test_headings_get_the_ids_of_docusaurus() -> None:
    page = split_pieces(
        "# Title\n\n## What's *new* in `v1.2`?\n\n## Options\n\n### Options\n\n## Options-1\n\n"
        "## [Link](./x.md) & more\n\n## Über Größe_2\n\n## Own {#my-id}\n\n"
        "## Own 2 {/* #mdx-id */}\n\n"
        "## 世界 🎉 end\n"
    )

    assert page.anchors == (
        "title",
        "whats-new-in-v12",
        "options",
        "options-1",
        "options-1-1",
        "link--more",
        "über-größe_2",
        "my-id",
        "mdx-id",
        "世界--end",
    )


def test_repeated_ids_are_counted_on() -> None:
    anchors = Anchors()

    assert [anchors.add("A"), anchors.add("a"), anchors.add("A!")] == ["a", "a-1", "a-2"]
    assert slugify("createSlice()") == "createslice"


def test_the_beginning_belongs_to_the_page_and_sections_to_their_headings() -> None:
    page = split_pieces(
        "# Title\n\nBefore.\n\n## One\n\nFirst.\n\n### Deep\n\nDeeper.\n\n## Two\n\nSecond.\n"
    )

    assert page.title == "Title"
    assert [(piece.anchor, piece.headings, piece.text) for piece in page.pieces] == [
        (None, (), "Before."),
        ("one", ("One",), "First."),
        ("deep", ("One", "Deep"), "Deeper."),
        ("two", ("Two",), "Second."),
    ]


def test_long_sections_are_split_between_paragraphs() -> None:
    paragraphs = [f"{name} " * 70 for name in ("one", "two", "three", "four", "five")]

    pieces = split_pieces("## Long\n\n" + "\n\n".join(paragraphs)).pieces

    assert [sorted(set(piece.text.split())) for piece in pieces] == [
        ["one", "two"],
        ["four", "three"],
        ["five"],
    ]
    assert {piece.anchor for piece in pieces} == {"long"}


def test_code_stays_whole_and_with_the_paragraph_before_it() -> None:
    code = "```python\n" + "\n\n".join(f"line_{number} = 1" for number in range(100)) + "\n```"
    text = f"## Code\n\n{'filler ' * 150}\n\nThis sets the lines.\n\n{code}\n\nAfter it."

    pieces = split_pieces(text).pieces

    assert [piece.text.split()[0] for piece in pieces] == ["filler", "This", "After"]
    assert pieces[1].text == f"This sets the lines.\n\n{code}"


def test_what_leads_to_something_stays_with_it() -> None:
    table = "| a | b |\n|---|---|\n" + "".join(f"| key{row} | value |\n" for row in range(30))
    text = f"{'filler ' * 100}\n\nThe keys are:\n\n{table}"

    pieces = split_pieces(text).pieces

    assert pieces[-1].text == f"The keys are:\n\n{table.strip()}"


def test_long_lists_and_tables_are_split_between_their_rows() -> None:
    items = "".join(f"- item {number} {'word ' * 40}\n" for number in range(8))
    rows = "".join(f"| row {number} | {'word ' * 40} |\n" for number in range(8))

    lists = split_pieces(items).pieces
    tables = split_pieces(f"| a | b |\n|---|---|\n{rows}").pieces

    assert len(lists) == 2
    assert all(piece.text.startswith("- item") for piece in lists)
    assert len(tables) == 2
    assert all(piece.text.startswith("| a | b |\n|---|---|\n| row") for piece in tables)


def test_what_no_model_can_read_as_a_whole_is_cut() -> None:
    lines = [f"key_{number} = 'a value of some length'" for number in range(3_000)]
    word = "x" * 100_000

    pieces = split_pieces(
        "\n".join(["Intro:", "", "> ```ini", *(f"> {line}" for line in lines), "> ```", "", word])
    ).pieces
    code = [piece.text for piece in pieces if "key_" in piece.text]

    assert max(len(piece.text) for piece in pieces) < 13_000
    assert len(code) > 8
    assert code[0].startswith("Intro:\n\n> ```ini\n> key_0")
    # Each part is a whole block of code, and nothing is lost.
    assert all(text.startswith("> ```ini\n") for text in code[1:])
    assert all(text.endswith("\n> ```") for text in code)
    assert re.findall(r"key_\d+", " ".join(code)) == [f"key_{number}" for number in range(3_000)]
    assert "".join(piece.text for piece in pieces).count("x") >= 100_000


def test_headings_in_code_are_none() -> None:
    page = split_pieces("Text\n\n```sh\n# not a heading\n```\n\n~~~\n## nor this\n~~~\n")

    assert page.anchors == ()
    assert len(page.pieces) == 1


def test_indented_text_in_tags_is_text() -> None:
    page = split_pieces("<Box>\n\n    Deep text.\n\n    ## Deep heading\n\n</Box>\n")

    assert page.anchors == ("deep-heading",)
    assert page.pieces[0].text.strip() == "Deep text."


def test_mdx_is_reduced_to_its_text() -> None:
    text = """import Tabs from '@theme/Tabs';
export const Note = ({children}) => (
  <b>

    {children}
  </b>
);

<!-- a licence
```
with a fence
-->
{/* a remark
over lines */}
<Tabs groupId="os" values={[{label: 'A > B', value: 'a'}]}>
<TabItem value="linux" label="Linux">

Run <code>it</code>{' '}with <Badge text="x > y" />care.

</TabItem>
<TabItem value="mac">

```tsx
import Kept from 'kept';
<!-- kept -->
<Tabs>
```

</TabItem>
</Tabs>

Type `<Tabs>` and `import x`, then <your-name> or 1 < 2; see <https://x.example>.<br/>
<img src="x.png" alt="A picture" /> [remarks](docblock://a/b.ts?token=c)
<head>
  <title>Gone</title>
</head>
"""

    reduced = "\n".join(line for line in reduce_markup(text).split("\n") if line.strip())

    assert (
        reduced
        == """**Linux**
Run it with care.
**mac**
```tsx
import Kept from 'kept';
<!-- kept -->
<Tabs>
```
Type `<Tabs>` and `import x`, then <your-name> or 1 < 2; see <https://x.example>.\x20
A picture\x20"""
    )


def test_admonitions_keep_title_and_text() -> None:
    text = """:::note Title *here*

First.

:::

:::warning[Bracketed]
Second.
:::

> :::tip
> Third.
> :::
"""

    (piece,) = split_pieces(text).pieces

    assert " ".join(piece.text.split()) == (
        "**Title *here*** First. **Bracketed** Second. > Third."
    )


def test_fenced_mdx_is_mdx() -> None:
    text = "```mdx-code-block\n<Tabs>\n<TabItem value='go' label='Go'>\n```\n\n```sh\ngo get\n```\n"

    (piece,) = split_pieces(text).pieces

    assert piece.text == "**Go**\n\n```sh\ngo get\n```"


@pytest.mark.parametrize(
    "text",
    [
        "x <!-- " * 150_000,
        "x {/* " * 150_000,
        "<!-- a\n" * 100_000,
        "{/* a\n" * 100_000,
        "{'a " * 150_000,
        '{ "a' * 150_000,
        "<script> " * 150_000,
        "".join(f"<x-{number}> " for number in range(100_000)),
        "<div {" * 30_000,
        "<br/>" * 150_000,
        "```a` \n" * 100_000,
        "```a\n" * 100_001,
        "docblock://" + "![" * 150_000,
        "docblock://" + "![](docblock://" * 100_000,
    ],
    ids=lambda text: text[:12].strip(),
)
def test_what_opens_and_never_closes_takes_no_time(text: str) -> None:
    started = time.thread_time()

    reduce_markup(text)
    resolve_links(text, path="a.md", url="/a", urls={})

    # Some seconds at most, and of work alone, as a machine may be busy with others; looked for
    # again and again, an end is looked for for minutes.
    assert time.thread_time() - started < 25


def test_long_headings_take_no_time() -> None:
    spaces = " " * 300_000
    started = time.thread_time()

    page = split_pieces(
        f"# a{spaces}b\n\n## c{spaces}{{#d}}\n\n## {'![a](' * 30_000}\n\n## {{/*{spaces}x\n\ne"
    )

    assert page.anchors[1] == "d"
    assert time.thread_time() - started < 25


def test_a_span_ends_at_as_many_backticks_and_before_a_blank_line() -> None:
    assert reduce_markup("a `` b ` <br/> `` c ` <b>d</b>\n\n` e") == (
        "a `` b ` <br/> `` c ` d\n\n` e"
    )
    assert reduce_markup("{ 'it\\'s' } {'open <b>x</b>") == "it\\'s {'open x"


def test_a_link_that_is_no_address_stops_no_run() -> None:
    text = "[a](< //[x>) and [b](b)"

    resolved = resolve_links(text, path="a.md", url="/docs/a", urls={})

    assert resolved == "[a]( //[x) and [b](/docs/b)"
