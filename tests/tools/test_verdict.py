"""Whether the docs answer a question."""

import pytest

from chatkit_tools.collection import Found
from chatkit_tools.lexical import Lexical, SparseVector
from chatkit_tools.verdict import Evidence, Reading, Scale, measure_coverage

LEXICAL = Lexical()


def passage(id_: str, text: str, score: float = 1.0) -> Found:
    return Found(id_, score, {"title": "", "headings": [], "text": text})


def read(question: str, **rarities: float) -> Reading:
    """Read a question whose words are as rare as said."""
    by_token = {LEXICAL.tokens(word)[0]: rarity for word, rarity in rarities.items()}
    return Reading(question, by_token, LEXICAL)


def test_coverage_is_the_weight_of_the_words_that_are_there() -> None:
    assert measure_coverage({1: 3.0, 2: 1.0}, [2, 5]) == 0.25
    assert measure_coverage({1: 3.0, 2: 1.0}, [1, 2]) == 1.0
    assert measure_coverage({}, [1]) == 0.0


def test_the_parts_of_a_section_cover_a_question_together() -> None:
    reading = read("foxes and badgers", fox=3.0, badger=1.0)

    assert reading.coverage([passage("a", "the fox")]) == 0.75
    assert reading.coverage([passage("a", "the fox"), passage("b", "a badger")]) == 1.0


def test_one_passage_has_to_hold_the_words() -> None:
    reading = read("foxes and badgers", fox=1.0, badger=1.0)

    apart = reading.judge([passage("a", "fox"), passage("b", "badger")], [], None)
    together = reading.judge([passage("c", "fox badger")], [], None)

    assert (apart.coverage, together.coverage) == (0.5, 1.0)
    assert apart.confidence < together.confidence


def test_words_that_people_ask_with_hardly_count() -> None:
    found = [passage("a", "Foxes dig.")]
    rarities = {"fox": 2.0, "dig": 2.0, "anyone": 8.0, "wonder": 8.0}

    asked = read("I wonder, does anyone know how foxes dig?", **rarities)
    of_a_badger = read("How do badgers and foxes dig?", **rarities, badger=8.0)

    missing_names = of_a_badger.judge(found, [], None)
    assert asked.judge(found, [], None).coverage > missing_names.coverage


def test_what_a_question_repeats_counts_again() -> None:
    found = [passage("a", "fox")]
    once = read("fox badger", fox=1.0, badger=1.0).judge(found, [], None)
    again = read("fox badger, badger", fox=1.0, badger=1.0).judge(found, [], None)

    assert [once.coverage, again.coverage] == pytest.approx([1 / 2, 1 / 3])


def test_more_of_anything_is_more_certain() -> None:
    base = Evidence(0.5, 8, 0.5)

    assert Evidence(0.8, 8, 0.5).confidence > base.confidence
    assert Evidence(0.5, 8, 0.9).confidence > base.confidence
    # A long question tells a story, which no passage tells.
    assert Evidence(0.5, 40).confidence > Evidence(0.5, 8).confidence


@pytest.mark.parametrize("relatedness", [None, 1.0])
def test_all_words_in_one_passage_are_enough_and_none_are_not(relatedness: float | None) -> None:
    assert Evidence(1.0, 3, relatedness).covered
    assert not Evidence(0.1, 3, relatedness).covered


def test_words_are_read_from_lexical_vectors_where_they_are_known() -> None:
    bare = Found("a", 1.0, {}, SparseVector(LEXICAL.tokens("fox"), [1.0]))

    assert read("fox badger", fox=1.0, badger=1.0).judge([bare], [], None).coverage == 0.5


def test_nothing_found_is_not_covered() -> None:
    assert not read("fox", fox=1.0).judge([], [], None).covered
    assert not read("").judge([], [], None).covered


def test_meaning_is_judged_where_the_words_are() -> None:
    # The nearest in meaning has none of the words: something is always nearest.
    scale = Scale(unrelated=0.1, related=0.6)
    dense = [passage("z", "other", 0.6), passage("a", "fox", 0.35), passage("y", "more", 0.1)]
    reading = read("fox", fox=1.0)

    near = reading.judge([passage("a", "fox")], dense, scale)
    far = reading.judge([passage("b", "fox")], dense, scale)

    assert near.relatedness == pytest.approx(0.5)
    assert far.relatedness == pytest.approx(0.0)


def test_dense_vectors_alone_are_judged_by_their_own_best() -> None:
    scale = Scale(unrelated=0.1, related=0.6)

    found = [passage("a", "fox", 0.6)]
    evidence = read("fox", fox=1.0).judge(found, found, scale)

    assert evidence.coverage == 1.0
    assert evidence.relatedness == pytest.approx(1.0)


def test_models_are_held_against_their_own_cosines() -> None:
    # Questions along one axis each, answers near them: the first model spreads, the second crowds.
    def vectors(common: float) -> list[list[float]]:
        axes = [[common, *(float(at == axis) for at in range(8))] for axis in range(8)]
        return axes + axes

    wide, crowded = Scale.of(vectors(0.0)), Scale.of(vectors(3.0))

    assert len(Scale.texts()) == 16
    assert [wide.unrelated, wide.related] == pytest.approx([0.0, 1.0])
    assert [crowded.unrelated, crowded.related] == pytest.approx([0.9, 1.0])
    assert wide.place(0.9) == pytest.approx(0.9)
    assert crowded.place(0.9) == pytest.approx(0.0)


def test_a_language_without_a_list_counts_every_word() -> None:
    lexical = Lexical("german")
    reading = Reading("Wie kann ich Häuser finden?", {}, lexical)
    found = Found("a", 1.0, {"title": "", "headings": [], "text": "Ein Haus."})

    evidence = reading.judge([found], [], None)

    assert evidence.coverage == pytest.approx(1 / evidence.words)
