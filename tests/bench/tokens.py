"""How long what the model gets is, for questions about the project's own docs.

    .venv/bin/python -m tests.bench.tokens

Counts characters: how many make a token is the model's own affair, about four in English.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean, quantiles

from chatkit_server.testing import ModelRequest, Say, ScriptedModel, open_chat
from tests.named import ROOT

QUESTIONS = ROOT / "tests/tools/questions/own.jsonl"
# As long as answers of a model to such questions are: two paragraphs with a piece of code.
ANSWER = "Set the variable before you start the server, and index the docs again [1]. " * 10


def size(request: ModelRequest) -> int:
    """Characters of instructions, tools and conversation."""
    tools = json.dumps(list(request.tools.values()), ensure_ascii=False)
    return len(request.instructions) + len(tools) + len(request.text)


def row(name: str, sizes: Sequence[int]) -> str:
    deciles = quantiles(sizes, n=10)
    cells = f"{mean(sizes):,.0f} | {deciles[0]:,.0f} to {deciles[8]:,.0f} | {mean(sizes) / 4:,.0f}"
    return f"| {name} | {cells} |"


def main() -> None:
    lines = QUESTIONS.read_text().splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    first, second, fifth = [], [], []
    with (
        ScriptedModel(Say(ANSWER, cut=400)) as model,
        open_chat(model, docs=ROOT / "web/site/docs") as visitor,
    ):
        for at, question in enumerate(questions):
            thread = visitor.ask(question).thread_id
            first.append(size(model.requests[-1]))
            for turn in range(2, 6):
                visitor.ask(questions[(at + turn) % len(questions)], thread)
                if turn == 2:
                    second.append(size(model.requests[-1]))
            fifth.append(size(model.requests[-1]))
        fixed = len(model.requests[0].instructions)
    print(f"{len(questions)} questions; {fixed:,} characters of instructions in each call\n")
    print("| call | characters | eight of ten | at 4 a token |\n| --- | --- | --- | --- |")
    for name, sizes in (
        ("first question", first),
        ("second question", second),
        ("fifth question", fifth),
    ):
        print(row(name, sizes))
    print(f"\nan answer: {len(ANSWER):,} characters")


if __name__ == "__main__":
    main()
