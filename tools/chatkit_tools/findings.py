"""What a look at a collection brings to light, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chatkit_tools.collection import LEXICAL
from chatkit_tools.layout import Layout
from chatkit_tools.mapping import FieldMapping, condition_key
from chatkit_tools.proposal import Proposal, propose

Status = Literal["ok", "warning", "error"]
_LONG_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do where something is to be done."""

    name: str
    status: Status
    message: str
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def find_in_fields(mapping: FieldMapping, payloads: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Check that what is mapped is there."""
    found: list[Finding] = []
    read = [mapping.read("", payload) for payload in payloads]
    total = len(read)
    texts = sum(bool(one["text"]) for one in read)
    if not texts:
        proposal = propose(payloads)
        better = "; perhaps " + " or ".join(proposal.mapping.text) if proposal else ""
        return [
            Finding(
                "mapping",
                "error",
                f"None of {total} points has text in {', '.join(mapping.text)}{better}.",
                "Correct CHATKIT_COLLECTION_TEXT.",
            )
        ]
    example = next(one for one in read if one["text"])
    place = " › ".join([example["title"], *example["headings"]])
    found.append(
        Finding(
            "mapping",
            "ok" if texts == total else "warning",
            f"{texts} of {total} points have text; a citation reads: {place} ({example['url']}).",
            "" if texts == total else "Points without text are never found.",
        )
    )
    without = sum(mapping.address(_first(mapping, payload)) is None for payload in payloads)
    if without:
        found.append(
            Finding(
                "links",
                "error" if without == total else "warning",
                f"{without} of {total} points give no address, so citations of them lead to"
                f" {mapping.base_url}.",
                "Correct CHATKIT_COLLECTION_URL; for paths of files, set CHATKIT_COLLECTION_ROOT"
                " to the folder that they start with and CHATKIT_COLLECTION_BASE_URL to where the"
                " docs stand.",
            )
        )
    long = sum(len(one["text"]) > _LONG_CHARS for one in read)
    if long > total / 10:
        found.append(
            Finding(
                "length",
                "warning",
                f"{long} of {total} points have more than {_LONG_CHARS} characters: their answers"
                " cite whole pages and cost many tokens.",
                "Let what fills the collection split at headings.",
            )
        )
    return found


def _first(mapping: FieldMapping, payload: Mapping[str, Any]) -> str:
    return FieldMapping(text=mapping.url).read_text(payload)


def find_in_indexes(mapping: FieldMapping, layout: Layout) -> list[Finding]:
    missing = [
        key
        for paths in (mapping.version, mapping.locale)
        for path in paths[:1]
        if (key := condition_key(path)) not in layout.indexed
    ]
    if not missing:
        return []
    requests = "; ".join(
        f'PUT /collections/NAME/index {{"field_name": "{key}", "field_schema": "keyword"}}'
        for key in missing
    )
    return [
        Finding(
            "indexes",
            "warning",
            f"Filters ask for {', '.join(missing)}, which has no index"
            + (
                ", and this server refuses them without one: all versions and languages are"
                " searched."
                if layout.filters_need_index
                else ", so each reads the payload of every point."
            ),
            f"Have what fills the collection make it: {requests}",
        )
    ]


def evidence_lines(proposal: Proposal) -> list[str]:
    return [
        f"  {name:8} {one.path}: {one.share:.0%} of the points have it, such as {one.example!r}"
        for name, several in proposal.evidence.items()
        for one in several
    ]


def hint_lines(proposal: Proposal) -> list[str]:
    found = proposal.evidence.get("url", ())
    if not found:
        return ["# Citations need addresses: CHATKIT_COLLECTION_URL=the field with URL or path"]
    if not found[0].example.startswith(("http://", "https://")):
        return ["CHATKIT_COLLECTION_BASE_URL=https://docs.example.com/docs/"]
    return []


def vector_table(layout: Layout) -> dict[str, Any]:
    return {
        vector.name or "(without a name)": f"{vector.size}, {vector.distance}"
        for vector in layout.dense
    } | {name: f"sparse, {modifier or 'no modifier'}" for name, modifier in layout.sparse.items()}


def as_sentence(said: object) -> str:
    text = str(said)
    return f"{text[:1].upper()}{text[1:]}."


def find_in_sparse(layout: Layout) -> list[Finding]:
    others = [name for name in layout.sparse if name != LEXICAL or not layout.lexical_state]
    if not others:
        return []
    return [
        Finding(
            "sparse",
            "ok",
            f"Its own sparse vectors ({', '.join(map(repr, others))}) are not searched: they"
            " don't say which model made them, and a question must be weighed by the same.",
        )
    ]


def guess_vector(layout: Layout) -> str | None:
    usable = [vector for vector in layout.dense if not vector.multiple]
    if len(usable) < 2 or any(not vector.name for vector in usable):
        # The only one is found without a setting.
        return None
    words = ("dense", "text", "content", "default", "passage", "chunk", "body", "page")
    return min(
        usable,
        key=lambda vector: (
            next((at for at, word in enumerate(words) if word in vector.name), len(words)),
            vector.name,
        ),
    ).name
