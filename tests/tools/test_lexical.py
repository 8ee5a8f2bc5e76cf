"""Words are counted and weighed."""

import pytest

from chatkit_tools.lexical import Lexical, lexical_text


def test_words_without_stop_words_are_counted() -> None:
    assert Lexical().count("The fox and the fox jump") == 3
    assert Lexical().count("") == 0


def test_shorter_texts_weigh_more_and_queries_weigh_alike() -> None:
    lexical = Lexical()

    (short, long) = lexical.weigh_texts(["fox", "fox " + "filler " * 50], 25.0)
    (token,) = lexical.tokens("foxes")

    assert short.values[0] > long.values[long.indices.index(token)]
    assert lexical.weigh_query("fox jumps").values == [1.0, 1.0]


def test_title_and_headings_stand_in_front() -> None:
    assert lexical_text("Title", ("A", "B"), "Text") == "Title\nTitle\nTitle\nA\nB\nText"


def test_code_and_addresses_do_not_repeat_words() -> None:
    text = "See [the guide](/docs/const).\n\n```js\nconst a = 1;\nconst b = a;\n```\n\nconst"

    words = lexical_text("T", (), text).split()

    assert words.count("const") == 2
    assert "/docs/const" not in " ".join(words)


def test_languages_have_words_of_their_own() -> None:
    assert Lexical("german").tokens("Häuser") == Lexical("german").tokens("Haus")
    with pytest.raises(ValueError, match="'klingon' is not known"):
        Lexical("klingon")
