"""Parts of a section that was cut are put together again, or shown with what is around them."""

import pytest

from chatkit_tools.passage import PAGE_DIGITS, make_passages
from chatkit_tools.pieces import split_pieces
from chatkit_tools.sections import beginning, ending, join_parts, new_in
from chatkit_tools.source import Document

TABLE = "| Option | Default |\n| --- | --- |\n"


def test_paragraphs_are_joined_as_they_were_apart() -> None:
    assert join_parts("One.", "Two.") == "One.\n\nTwo."


def test_a_table_goes_on_without_its_head() -> None:
    joined = join_parts(f"Options:\n\n{TABLE}| a | 1 |", f"{TABLE}| b | 2 |\n| c | 3 |")

    assert joined == f"Options:\n\n{TABLE}| a | 1 |\n| b | 2 |\n| c | 3 |"


def test_another_table_keeps_its_head() -> None:
    other = "| Event | When |\n|---|---|\n| x | y |"

    assert join_parts(f"{TABLE}| a | 1 |", other) == f"{TABLE}| a | 1 |\n\n{other}"


def test_lines_that_both_have_stand_once() -> None:
    assert join_parts("One.\n\nTwo.\nThree.", "Two.\nThree.\n\nFour.") == (
        "One.\n\nTwo.\nThree.\n\nFour."
    )
    assert new_in("Four.", "Three.") == "Four."


def test_a_long_section_is_whole_again_when_its_parts_are_joined() -> None:
    rows = "\n".join(f"| option_{n} | {'word ' * 12}|" for n in range(40))
    text = f"## Options\n\nIntroduction.\n\n{TABLE}{rows}\n\n" + "\n\n".join(
        f"Paragraph {n}. " + "word " * 50 for n in range(8)
    )
    pieces = split_pieces(text).pieces
    assert len(pieces) > 4

    joined = pieces[0].text
    for piece in pieces[1:]:
        joined = join_parts(joined, piece.text)

    assert joined.split() == text.partition("\n\n")[2].split()


WORDS = " ".join(str(number) for number in range(100))
CODE = "```yaml\n" + "\n".join(f"key_{n}: one two three" for n in range(40)) + "\n```"


@pytest.mark.parametrize("text", ["Short.", "A list:\n\n- one\n- two", "```\ncode\n```"])
def test_what_is_short_is_shown_whole(text: str) -> None:
    assert (ending(text), beginning(text)) == (text, text)


def test_long_text_is_cut_between_words() -> None:
    assert beginning(WORDS).startswith("0 1 2 3")
    assert beginning(WORDS).endswith("58 59\n\n…")
    assert ending(WORDS).startswith("…\n\n40 41")
    assert ending(WORDS).endswith("98 99")


@pytest.mark.parametrize("text", [CODE, f"Then:\n\n{CODE}", f"{CODE}\n\nAnd then."])
def test_code_is_cut_between_lines_and_stays_code(text: str) -> None:
    for shown in (beginning(text), ending(text)):
        assert len(shown.split()) < 70
        lines = shown.splitlines()
        assert sum(line.startswith("```") for line in lines) == 2
        assert all(line in text for line in lines if line != "…")


def test_rows_of_a_table_are_not_cut() -> None:
    table = TABLE + "\n".join(f"| option_{n} | some words of it |" for n in range(30))

    for shown in (beginning(table), ending(table)):
        assert all(
            line in table.splitlines() for line in shown.splitlines() if line not in ("", "…")
        )


def test_each_passage_of_a_cut_section_knows_what_is_around_it() -> None:
    long = "\n\n".join(f"Paragraph {n}. " + f"word{n} " * 100 for n in range(3))
    page = split_pieces(f"Introduction.\n\n## Setup {{#setup}}\n\n{long}\n\n## Next\n\nShort.")
    document = Document(path="a.md", url="/a", title="A", pieces=page.pieces)

    whole, first, second, third, following = make_passages(document)

    assert [passage.section for passage in (whole, following)] == ["", ""]
    assert {passage.section for passage in (first, second, third)} == {first.id}
    assert (whole.after, first.before, third.after, following.before) == ("", "", "", "")
    assert first.after.startswith("Paragraph 1. word1")
    assert second.before.endswith("word0 word0")
    assert second.after.startswith("Paragraph 2.")
    assert "section" not in whole.payload()


def test_the_first_half_of_an_id_is_that_of_the_page() -> None:
    pieces = split_pieces("One.\n\n## Two\n\nText.\n\n## Three\n\nText.").pieces
    pages = [
        make_passages(Document(path="x.md", url=url, title="A", pieces=pieces), born=born)
        for url, born in (("/a", 1), ("/a", 2), ("/b", 1))
    ]

    halves = [{passage.id[:PAGE_DIGITS] for passage in passages} for passages in pages]

    assert [len(half) for half in halves] == [1, 1, 1]
    assert halves[0] == halves[1] != halves[2]
    assert len({passage.id for passages in pages for passage in passages}) == 9
