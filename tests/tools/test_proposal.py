"""A mapping is proposed for what programs in use write."""

import json
from typing import Any

import pytest

from chatkit_tools.proposal import propose

PROSE = (
    "Set the connection string before the service starts, and keep it out of the repository, as"
    " the guide explains at length."
)


def _langchain(n: int) -> dict[str, Any]:
    source = f"/home/ci/site/docs/guides/page-{n}.md"
    return {"page_content": PROSE, "metadata": {"source": source, "title": f"Page {n}"}}


def _langchain_headers(n: int) -> dict[str, Any]:
    found = {"source": f"https://acme.io/docs/{n}", "Header 1": "Postgres", "Header 2": "Pooling"}
    return {"page_content": PROSE, "metadata": found | ({"Header 3": "Modes"} if n % 2 else {})}


def _langchain_web(n: int) -> dict[str, Any]:
    metadata = {
        "source": f"https://acme.io/docs/{n}",
        "title": f"Page {n} | Acme",
        "description": "How to do this and that with Acme in a short time, explained.",
        "language": "en-US",
    }
    return {"page_content": PROSE, "metadata": metadata}


def _langchain_js(n: int) -> dict[str, Any]:
    loc = {"lines": {"from": n, "to": n + 9}}
    return {"content": PROSE, "metadata": {"source": f"docs/page-{n}.md", "loc": loc}}


def _llamaindex(n: int) -> dict[str, Any]:
    metadata = {"file_path": f"/data/docs/part{n}/page-{n}.md", "file_name": f"page-{n}.md"}
    node = {
        "id_": f"0a{n}", "text": PROSE, "metadata": metadata, "class_name": "TextNode",
        "relationships": {"1": {"node_id": f"{n}b", "node_type": "4"}},
    }  # fmt: skip
    ids = {"document_id": f"{n}b", "doc_id": f"{n}b", "ref_doc_id": f"{n}b"}
    return {"_node_content": json.dumps(node), "_node_type": "TextNode", **ids, **metadata}


def _haystack(n: int) -> dict[str, Any]:
    meta = {"url": f"https://acme.io/{n}", "title": f"Page {n}", "split_id": n, "source_id": "ab"}
    return {"id": f"{n:032x}", "content": PROSE, "meta": meta, "score": None, "blob": None}


def _fastembed(n: int) -> dict[str, Any]:
    return {"document": PROSE, "link": f"https://acme.io/docs/{n}", "section": "Install > Linux"}


def _langchain4j(n: int) -> dict[str, Any]:
    return {"text_segment": PROSE, "file_name": f"page-{n}.md", "absolute_directory_path": "/srv"}


def _spring(n: int) -> dict[str, Any]:
    return {"doc_content": PROSE, "source": f"page-{n}.md", "chunk_index": n}


def _script(n: int) -> dict[str, Any]:
    return {
        "text": PROSE, "url": f"/docs/page-{n}", "title": f"Page {n}",
        "headings": ["Install", "Linux"], "anchor": f"linux-{n}", "version": "2.1", "lang": "de",
        "chunk_index": n, "updated_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def _docsearch(n: int) -> dict[str, Any]:
    levels = {"lvl0": "Docs", "lvl1": f"Page {n}", "lvl2": "Install", "lvl3": "Linux"}
    return {"content": PROSE, "url": f"https://acme.io/docs/{n}#linux", "hierarchy": levels}


def _german(n: int) -> dict[str, Any]:
    return {"abschnitt": {"inhalt": PROSE, "seite": f"https://acme.de/{n}", "nummer": n}}


def _code(n: int) -> dict[str, Any]:
    return {"text": PROSE, "metadata": {"source": f"src/part_{n}.py", "language": "python"}}


SHAPES: list[tuple[Any, str | None, dict[str, str]]] = [
    (_langchain, "LangChain", {
        "TEXT": "page_content", "URL": "metadata.source", "TITLE": "metadata.title",
        "ROOT": "/home/ci/site/docs",
    }),
    (_langchain_headers, "LangChain", {
        "TEXT": "page_content", "URL": "metadata.source", "TITLE": '"metadata.Header 1"',
        "HEADING": '"metadata.Header 2, metadata.Header 3"',
    }),
    (_langchain_web, "LangChain", {
        "TEXT": "page_content", "URL": "metadata.source", "TITLE": "metadata.title",
        "LOCALE": "metadata.language",
    }),
    (_langchain_js, "LangChain.js, n8n or Flowise", {
        "TEXT": "content", "URL": "metadata.source",
    }),
    (_llamaindex, "LlamaIndex", {
        "TEXT": "_node_content.text", "URL": "file_path", "ROOT": "/data/docs",
    }),
    (_haystack, "Haystack", {"TEXT": "content", "URL": "meta.url", "TITLE": "meta.title"}),
    (_fastembed, "qdrant-client with FastEmbed", {
        "TEXT": "document", "URL": "link", "HEADING": "section",
    }),
    (_langchain4j, "LangChain4j", {"TEXT": "text_segment", "URL": "file_name"}),
    (_spring, "Spring AI", {"TEXT": "doc_content", "URL": "source"}),
    (_script, None, {
        "TEXT": "text", "URL": "url", "TITLE": "title", "HEADING": "headings", "ANCHOR": "anchor",
        "VERSION": "version", "LOCALE": "lang",
    }),
    (_docsearch, None, {
        "TEXT": "content", "URL": "url", "TITLE": "hierarchy.lvl1",
        "HEADING": "hierarchy.lvl2, hierarchy.lvl3",
    }),
    (_german, None, {"TEXT": "abschnitt.inhalt", "URL": "abschnitt.seite"}),
    # `language` is the program's.
    (_code, None, {"TEXT": "text", "URL": "metadata.source"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "kind", "wanted"), SHAPES, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_usual_shapes_are_known(shape: Any, kind: str | None, wanted: dict[str, str]) -> None:
    proposal = propose([shape(n) for n in range(8)])

    assert proposal is not None
    assert proposal.kind == kind
    found = dict(
        line.removeprefix("CHATKIT_COLLECTION_").split("=", 1) for line in proposal.lines()
    )
    assert {name: value.strip('"') for name, value in found.items()} == {
        name: value.strip('"') for name, value in wanted.items()
    }


@pytest.mark.parametrize("shape", [shape for shape, _, _ in SHAPES], ids=lambda f: f.__name__)
def test_what_is_proposed_reads_the_payload(shape: Any) -> None:
    payloads = [shape(n) for n in range(8)]
    proposal = propose(payloads)

    assert proposal is not None
    read = [proposal.mapping.read(str(n), payload) for n, payload in enumerate(payloads)]
    assert all(one["text"] == PROSE for one in read)
    assert len({one["page"] for one in read}) == len(payloads)
    assert all(one["title"] for one in read)


def test_the_evidence_has_a_share_and_a_short_example() -> None:
    proposal = propose([_script(n) | ({} if n else {"title": ""}) for n in range(4)])

    assert proposal is not None
    (text,), (title,) = proposal.evidence["text"], proposal.evidence["title"]
    assert text.share == 1.0
    assert text.example.startswith("Set the connection string")
    assert len(text.example) < 70
    assert title.share == 0.75


def test_a_field_that_few_points_have_stands_behind_one_that_all_have() -> None:
    payloads = [{"text": PROSE, "source": f"docs/{n}.md"} for n in range(9)]
    payloads.append({"text": PROSE, "source": "docs/9.md", "url": "https://acme.io/9"})

    proposal = propose(payloads)

    assert proposal is not None
    assert proposal.mapping.url == ("url", "source")


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [{}],
        [{"a": 1, "b": None, "c": [1, 2]}],
        [{"url": "https://acme.io/1"}, {"url": "https://acme.io/2"}],
        [{"deep": {"deep": {"deep": {"deep": {"deep": PROSE}}}}}],
    ],
)
def test_without_text_nothing_is_proposed(payloads: list[dict[str, Any]]) -> None:
    assert propose(payloads) is None
