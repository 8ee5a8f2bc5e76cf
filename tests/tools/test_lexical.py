"""Words are counted and weighed."""

import math

import pytest

from chatkit_tools.lexical import Lexical, LexicalText, lexical_text


def test_words_without_stop_words_are_counted() -> None:
    assert Lexical().count(LexicalText(title="A title", text="The fox and the fox jump")) == 3
    assert Lexical().count(LexicalText()) == 0


def weigh(*texts: LexicalText) -> list[dict[int, float]]:
    vectors = Lexical().weigh_texts(texts, 25.0)
    return [dict(zip(vector.indices, vector.values, strict=True)) for vector in vectors]


def token(word: str) -> int:
    (found,) = Lexical().tokens(word)
    return found


def test_shorter_texts_weigh_more() -> None:
    short, long = weigh(LexicalText(text="fox"), LexicalText(text="fox " + "filler " * 50))

    assert short[token("foxes")] > long[token("foxes")]


def test_a_word_of_the_title_weighs_the_same_above_a_long_text() -> None:
    short, long = weigh(LexicalText("Fox", text="filler"), LexicalText("Fox", text="filler " * 200))

    assert short[token("fox")] == long[token("fox")] == pytest.approx(1.0)


def test_the_heading_of_a_passage_weighs_more_than_those_above_it() -> None:
    (weights,) = weigh(lexical_text("Birds", ("Foxes", "Badgers"), "text"))

    assert weights[token("badger")] == weights[token("bird")] > weights[token("fox")] > 0


def test_a_word_in_title_and_text_weighs_what_both_give() -> None:
    both, title, text = weigh(
        LexicalText("Fox", text="fox"), LexicalText("Fox"), LexicalText(text="fox")
    )

    assert both[token("fox")] == pytest.approx(title[token("fox")] + text[token("fox")])


def test_what_a_query_repeats_weighs_more_but_not_in_proportion() -> None:
    found = Lexical().weigh_query("fox and fox, fox, fox jumps")

    weights = dict(zip(found.indices, found.values, strict=True))
    assert weights == {token("fox"): math.sqrt(4), token("jump"): 1.0}


def test_every_field_has_tokens() -> None:
    found = Lexical().tokens(lexical_text("Birds", ("Foxes", "Badgers"), "Newts"))

    assert set(found) == {token(word) for word in ("bird", "fox", "badger", "newt")}


def test_code_and_addresses_do_not_repeat_words() -> None:
    text = "See [the guide](/docs/const).\n\n```js\nconst a = 1;\nconst b = a;\n```\n\nconst"

    words = lexical_text("T", (), text).text.split()

    assert words.count("const") == 2
    assert "/docs/const" not in " ".join(words)


def test_languages_have_words_of_their_own() -> None:
    assert Lexical("german").tokens("Häuser") == Lexical("german").tokens("Haus")
    with pytest.raises(ValueError, match="'klingon' is not known"):
        Lexical("klingon")


def test_words_stay_as_they_are_in_no_language() -> None:
    words = Lexical("none")

    assert words.count(LexicalText(text="The fox and the foxes")) == 5
    assert words.tokens("FOX") == words.tokens("fox") != words.tokens("foxes")
    (weighed,) = words.weigh_texts([LexicalText("Fox", text="Lisy i lis")], 3.0)
    assert set(words.tokens("lis fox")) < set(weighed.indices)
