"""Which pages are wanted, in any source."""

from pathlib import Path

import pytest

from chatkit_tools.opening import open_source
from chatkit_tools.selection import Patterns
from chatkit_tools.source import Document, SkippedDocument


@pytest.mark.parametrize(
    ("include", "exclude", "address", "wanted"),
    [
        ([], [], "https://docs.example.org/a", True),
        (["/docs/*"], [], "https://docs.example.org/docs/a/b", True),
        (["/docs/*"], [], "/docs/a", True),
        (["/docs/*"], [], "https://docs.example.org/blog/docs/a", False),
        (["/docs/*", "/blog"], [], "https://docs.example.org/blog", True),
        (["/docs/*"], ["*/old/*"], "https://docs.example.org/docs/old/a", False),
        ([], ["https://docs.example.org/fr/*"], "https://docs.example.org/fr/a", False),
        ([], ["https://docs.example.org/fr/*"], "https://docs.example.com/fr/a", True),
        ([], ["/v?/*"], "https://docs.example.org/v1/a", False),
        ([], ["/v?/*"], "https://docs.example.org/v10/a", True),
        (["/"], [], "https://docs.example.org", True),
        ([], ["/a.b"], "/axb", True),
    ],
)
def test_a_pattern_is_one_of_paths_or_of_whole_addresses(
    include: list[str], exclude: list[str], address: str, wanted: bool
) -> None:
    assert Patterns.of(include, exclude).want(address) is wanted


async def test_of_a_folder_too_some_pages_may_be_left_out(docs_folder: Path) -> None:
    source = open_source(str(docs_folder), base_url="/docs", exclude=["/docs/guides/*"])

    found = [read async for read in source.read({})]

    assert [one.url for one in found if isinstance(one, Document)] == ["/docs/"]
    assert [one.reason for one in found if isinstance(one, SkippedDocument)] == [
        "has 2 pages that the patterns leave out"
    ]
