"""The command `eval`, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.app import DOCS
from tests.fixtures.command import run

DOCS_OF_OURS = Path(__file__).parents[2] / "web/site/docs"
OWN = Path(__file__).parents[1] / "tools/questions/own.jsonl"

QUESTIONS: list[dict[str, Any]] = [
    {"id": "oven", "question": "How hot is the oven?", "gold": ["bread.md#oven"]},
    {
        "id": "pool",
        "question": "Which host for many replicas?",
        "gold": ["/docs/neon/#pooled-connections"],
    },
    {
        "id": "gone",
        "question": "How do I bake cake?",
        "gold": [{"path": "cake.md", "anchor": None}],
    },
    {"id": "un", "question": "Does it speak Klingon?"},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some docs that are indexed, and questions about them."""
    folder = tmp_path_factory.mktemp("eval")
    for name, text in DOCS.items():
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_text(text)
    lines = "\n".join(json.dumps(question) for question in QUESTIONS)
    (folder / "questions.jsonl").write_text(lines)
    indexed = run(folder, "index", "docs", "--base-url", "/docs")
    assert indexed.returncode == 0, indexed.stderr
    return folder


def test_questions_are_asked_and_measured(place: Path) -> None:
    asked = run(place, "eval", "questions.jsonl")
    as_json = run(place, "eval", "questions.jsonl", "--json")

    assert asked.returncode == 0, asked.stderr
    assert "3 questions with an answer, 1 without, over 3 pages." in asked.stdout
    assert "gone: cake.md: no such page in the collection" in asked.stdout
    found = json.loads(as_json.stdout)
    assert found["measures"]["R@5"]["value"] == pytest.approx(2 / 3)
    assert found["measures"]["heading.R@5"]["value"] == 1
    rows = {row["id"]: row for row in found["rows"]}
    assert rows["oven"]["page_ranks"] == [1]
    assert rows["oven"]["found"][0]["url"] == "/docs/bread#oven"
    assert rows["oven"]["found"][0]["wanted"] == "heading"
    assert 0 <= rows["un"]["confidence"] <= 1
    assert found["latency"]["p95"] >= found["latency"]["p50"] > 0


def test_a_run_is_compared_with_an_earlier_one(place: Path) -> None:
    # Then all was well, but for one question that was not asked.
    run(place, "eval", "questions.jsonl", "--save", "now.json")
    before = json.loads((place / "now.json").read_text())
    before["rows"] = [row for row in before["rows"] if row["id"] != "un"]
    before["rows"][2]["page_ranks"] = [3]
    (place / "before.json").write_text(json.dumps(before))

    compared = run(
        place, "eval", "questions.jsonl", "--baseline", "before.json", "--report", "report.html"
    )

    assert compared.returncode == 0, compared.stderr
    assert (
        "1 question got worse:\n  gone: rank 3 → not found: How do I bake cake?" in compared.stdout
    )
    assert "Not compared, since they are not the same in both: 1 (un)" in compared.stdout
    line = next(
        line for line in compared.stdout.partition("Compared")[2].splitlines() if "R@5" in line
    )
    assert line.split()[1:4] == ["1.000", "0.667", "-0.333"]
    report = (place / "report.html").read_text()
    assert "How do I bake cake?" in report
    assert "1 got worse" in report


def test_a_run_that_has_no_question_of_the_earlier_one_is_not_compared(place: Path) -> None:
    (place / "others.jsonl").write_text('{"id": "oven", "question": "Which oven?", "gold": []}')
    run(place, "eval", "others.jsonl", "--save", "others.json")

    done = run(place, "eval", "questions.jsonl", "--baseline", "others.json", "--report", "r.html")

    assert done.returncode == 1
    assert "failed: no question is word for word the same in others.json" in done.stderr
    assert "R@5" in done.stdout
    assert "Compared with" not in done.stdout
    assert "<h2>Compared" not in (place / "r.html").read_text()


def test_what_is_printed_as_json_is_a_baseline_too(place: Path) -> None:
    run(place, "eval", "questions.jsonl", "--save", "now.json")
    (place / "printed.json").write_text(
        run(place, "eval", "questions.jsonl", "--json", "--baseline", "now.json").stdout
    )

    again = run(place, "eval", "questions.jsonl", "--baseline", "printed.json", "--json")

    found = json.loads(again.stdout)["comparison"]
    assert found["differences"]["R@5"]["difference"] == 0
    assert (found["changes"], found["not_compared"]) == ([], [])


def test_gates_fail_the_command(place: Path) -> None:
    kept = run(
        place, "eval", "questions.jsonl", "--fail-under", "r@5=0.6", "--fail-over", "p95=60000"
    )
    broken = run(
        place, "eval", "questions.jsonl", "--fail-under", "R@5=0.7", "--fail-under", "mrr@10=.99"
    )

    assert kept.returncode == 0, kept.stderr
    assert broken.returncode == 1
    assert "failed: R@5 is 0.6667, below 0.7\nfailed: MRR@10 is 0.6667" in broken.stderr
    assert "R@5" in broken.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere.jsonl",), 1, "nowhere.jsonl: No such file"),
        (("empty.jsonl",), 1, "empty.jsonl: there is no question in it"),
        (("bad.jsonl",), 1, "bad.jsonl: line 2: not a JSON object"),
        (("questions.jsonl", "--corpus", "x"), 1, "no question is of the corpus 'x'"),
        (("questions.jsonl", "--baseline", "bad.jsonl"), 1, "bad.jsonl: not what `eval --save`"),
        (("questions.jsonl", "--save", "no/x.json"), 1, "no/x.json: there is no folder no"),
        (("questions.jsonl", "--report", "docs"), 2, "'docs' is a directory"),
        (("questions.jsonl", "--fail-under", "R@7=1"), 2, "names no measure; they are R@5, R@10"),
        (("questions.jsonl", "--fail-under", "R@5=x"), 2, "must end with a number"),
        (("questions.jsonl", "--fail-under", "R@5=nan"), 2, "must end with a number"),
        (("questions.jsonl", "--limit", "0"), 2, "--limit"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    place: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    (place / "empty.jsonl").write_text("\n")
    (place / "bad.jsonl").write_text('{"id": "1", "question": "a"}\noven?\n')

    done = run(place, "eval", *arguments)

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_nothing_is_indexed_it_says_so(place: Path) -> None:
    done = run(place, "eval", "questions.jsonl", QDRANT_COLLECTION="another")

    assert done.returncode == 1
    assert "nothing is indexed in the collection 'another'" in done.stderr


def test_a_terminal_is_not_told_what_to_do_by_a_question(place: Path) -> None:
    question = {"id": "\x1b[2J", "question": "x", "gold": ["\x1b]0;evil\x07.md"]}
    (place / "evil.jsonl").write_text(json.dumps(question))

    done = run(place, "eval", "evil.jsonl")

    assert "evil" in done.stdout
    assert "\x1b" not in done.stdout


def test_our_own_docs_answer_what_their_readers_ask(tmp_path: Path) -> None:
    run(tmp_path, "index", str(DOCS_OF_OURS), "--base-url", "/docs")

    done = run(
        tmp_path,
        *("eval", str(OWN), "--save", "own.json"),
        *("--fail-under", "R@5=0.8"),
        *("--fail-under", "MRR@10=0.65"),
        *("--fail-under", "heading.R@5=0.6"),
        *("--fail-under", "AUC=0.75"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "own.json").read_text())["rows"]
    assert (len(rows), [row["missing"] for row in rows if row["missing"]]) == (43, [])
