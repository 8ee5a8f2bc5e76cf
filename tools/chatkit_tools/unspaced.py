"""Words of scripts that set no spaces between them: what stands together, two or three by three.

No dictionary is needed for that, and a text and a question are always cut alike.
"""

import re
from collections.abc import Iterator
from unicodedata import category

# Two Chinese or Japanese characters are a word, mostly.
_HAN_AND_KANA = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Thai, Lao, Burmese and Khmer have letters, and marks on them that are not counted.
_LETTERS = "\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"

_RUN = re.compile(f"(?P<pairs>[{_HAN_AND_KANA}]+)|[{_LETTERS}]+")
_CHARACTER = re.compile(f"[{_HAN_AND_KANA}{_LETTERS}]")
# As many make a word of a usual language, in a rough mean over the scripts.
_PER_WORD = 2


def space_out(text: str) -> str:
    """Return the text with spaces between the words of such scripts; others stay as they are."""
    if text.isascii():
        return text
    return _RUN.sub(lambda found: f" {' '.join(_parts(found))} ", text)


def read_runs(text: str) -> Iterator[tuple[list[str], int]]:
    """Yield the words of each stretch of such a script, in their order, and how long they are."""
    if not text.isascii():
        for found in _RUN.finditer(text):
            yield _parts(found), _size(found)


def count_words(text: str) -> int:
    """Count words, whatever script they are in."""
    words = len(text.split())
    return words if text.isascii() else words + len(_CHARACTER.findall(text)) // _PER_WORD


def _size(run: re.Match[str]) -> int:
    return 3 if run["pairs"] is None else 2


def _parts(run: re.Match[str]) -> list[str]:
    text, size = run[0], _size(run)
    if run["pairs"] is None:
        text = "".join(char for char in text if category(char)[0] != "M")
    return [text[start : start + size] for start in range(max(len(text) - size, 0) + 1)]
