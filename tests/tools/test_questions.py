"""Files of questions, and which pages of a collection they mean."""

import pytest

from chatkit_tools.errors import QuestionsError
from chatkit_tools.questions import Gold, Places, read_questions

PLACES = Places(
    [
        ("intro.md", "/docs/intro"),
        ("intro.md", "/docs/intro#install"),
        ("guides/index.mdx", "/docs/guides/"),
        ("guides/auth.mdx", "/docs/guides/auth#tok%C3%A9ns"),
        ("1.0/intro.md", "/docs/1.0/intro"),
        ("api/auth.html", "https://docs.example.com/api/auth"),
    ]
)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("intro.md", "/docs/intro"),
        ("./intro.md", "/docs/intro"),
        ("/docs/intro", "/docs/intro"),
        ("/docs/intro/", "/docs/intro"),
        ("docs/intro.html", "/docs/intro"),
        ("https://elsewhere.example/docs/intro/?v=2", "/docs/intro"),
        ("http://localhost:3000/docs/guides/auth", "/docs/guides/auth"),
        ("guides/index.mdx", "/docs/guides/"),
        ("/docs/guides", "/docs/guides/"),
        ("/docs/guides/index.html", "/docs/guides/"),
        ("guides/README.md", "/docs/guides/"),
        ("1.0/intro", "/docs/1.0/intro"),
        ("/api/auth.html", "https://docs.example.com/api/auth"),
    ],
)
def test_a_page_is_found_however_it_is_written(path: str, page: str) -> None:
    assert PLACES.find(Gold(path=path)) == {page}


def test_the_nearer_page_is_meant_where_only_the_end_is_named() -> None:
    places = Places([("a", "/docs/1.0/setup"), ("b", "/docs/setup")])

    assert places.find(Gold(path="setup.md")) == {"/docs/setup"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.md", "no such page"),
        ("ntro.md", "no such page"),
        ("http://[broken", "no such page"),
        ("auth", "fits several pages"),
    ],
)
def test_what_names_no_page_or_several_is_said(path: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        PLACES.find(Gold(path=path))


def test_headings_are_known_by_their_anchor() -> None:
    assert PLACES.has_heading({"/docs/guides/auth"}, "tokéns")
    assert not PLACES.has_heading({"/docs/intro"}, "tokéns")


def test_questions_are_read_in_the_forms_that_people_write() -> None:
    first, second, third = read_questions(
        b"\xef\xbb\xbf"
        b'{"id": 7, "question": "How?", "gold": ["a.md#b", {"path": "c", "anchor": null}]}\r\n'
        b"\n"
        b'{"question": "Who?", "gold": [{"path": "a.md", "anchor": "b", "by": "me"}], "x": 1}\n'
        b'{"id": "un", "question": "Why?", "gold": null}'
    )

    assert (first.id, [str(gold) for gold in first.gold]) == ("7", ["a.md#b", "c"])
    assert (second.id, second.gold) == ("Who?", (Gold(path="a.md", anchor="b"),))
    assert third.gold == ()


GOOD = b'{"id": "1", "question": "How?"}\n'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "there is no question in it"),
        (b" \n\n", "there is no question in it"),
        (GOOD + b"how?", "line 2: not a JSON object"),
        (GOOD + b"[]", "line 2: "),
        (GOOD + b"{}", "line 2: question: Field required"),
        (GOOD + b'{"id": "2", "question": " "}', "line 2: `question` has no words"),
        (GOOD + b'{"id": "2", "question": "x", "gold": "a.md"}', "line 2: gold: "),
        (GOOD + b'{"id": "2", "question": "x", "gold": [{}]}', "line 2: gold.0.path: "),
        (GOOD + b'{"id": "2", "question": "x", "gold": ["#b"]}', "line 2: gold.0.path: "),
        (GOOD + b'{"id": "2", "question": "\\ud800"}', "line 2: "),
        (GOOD + b'{"id": "2", "question": "\xff"}', "line 2: "),
        (GOOD + GOOD, "line 2 has the id '1' of line 1"),
        (b"[" * 100_000, "line 1: "),
    ],
)
def test_a_bad_line_is_named(data: bytes, said: str) -> None:
    with pytest.raises(QuestionsError, match="^" + said.replace("(", r"\(")):
        read_questions(data)


def test_questions_of_one_corpus_are_taken() -> None:
    data = (
        b'{"id": "1", "question": "a", "corpus": "x"}\n{"id": "2", "question": "b", "corpus": "y"}'
    )

    assert [question.id for question in read_questions(data, "y")] == ["2"]
    with pytest.raises(QuestionsError, match="no question is of the corpus 'z'; it names: x, y"):
        read_questions(data, "z")
