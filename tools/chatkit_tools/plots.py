"""Draws the plots of a report as SVG, in the colours of the page that they stand on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

# As wide as a phone shows without making the letters small.
_WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 16, 14, 42
_DOT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line over the ranks from 1 on, named at its end."""

    name: str
    values: Sequence[float]
    style: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the interval around it."""

    name: str
    value: float
    low: float
    high: float
    style: str


def draw_lines(lines: Sequence[Line], label: str, across: str) -> str:
    """Draw shares, from 0 to 1, by rank."""
    height, width = 250, _WIDTH - 74
    count = max(len(line.values) for line in lines)

    def x(rank: int) -> float:
        return _LEFT + (rank - 1) / max(count - 1, 1) * (width - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return _TOP + (1 - share) * (height - _TOP - _BOTTOM)

    drawn = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(_rule(_LEFT, y(share), width - _RIGHT, y(share)))
        drawn.append(_text(_LEFT - 8, y(share) + 4, f"{share:.0%}", anchor="end"))
    drawn += [
        _text(x(rank), height - 24, str(rank), anchor="middle") for rank in range(1, count + 1)
    ]
    drawn.append(_text((_LEFT + width - _RIGHT) / 2, height - 4, across, anchor="middle"))
    # Names stand at the lines' ends, apart even where the lines meet.
    ends = sorted(((y(line.values[-1]), line) for line in lines), key=lambda end: end[0])
    floor_ = 0.0
    for end, line in ends:
        place = max(end, floor_)
        floor_ = place + 16
        drawn.append(
            _text(x(len(line.values)) + 9, place + 4, line.name, style=f"name {line.style}")
        )
    for line in lines:
        points = " ".join(
            f"{x(rank):.1f},{y(share):.1f}" for rank, share in enumerate(line.values, 1)
        )
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        drawn.append(f'<polyline class="line {line.style}" points="{points}"{dashes}/>')
        if not line.dashed:
            drawn += [
                _dot(x(rank), y(share), line.style, f"{line.name}, first {rank}: {share:.1%}")
                for rank, share in enumerate(line.values, 1)
            ]
    return _svg(drawn, height, label)


def draw_bars(
    bars: Sequence[tuple[str, int, str, str]], label: str, across: str, *, edges: bool = False
) -> str:
    """Draw counts, given by name, count, style and what to tell of it.

    Names stand below the bars, or with `edges` below where they begin.
    """
    height = 230
    most = max((count for _, count, _, _ in bars), default=0) or 1
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(bars), 1)
    base = height - _BOTTOM
    drawn = []
    for tick in _counts(most):
        level = base - tick / most * (base - _TOP - 8)
        drawn.append(_rule(_LEFT, level, _WIDTH - _RIGHT, level))
        drawn.append(_text(_LEFT - 8, level + 4, str(tick), anchor="end"))
    every = ceil(len(bars) / 11)
    for place, (name, count, style, told) in enumerate(bars):
        left = _LEFT + place * step
        tall = count / most * (base - _TOP - 8)
        drawn.append(
            f'<rect class="bar {style}" x="{left + step * 0.1:.1f}" y="{base - tall:.1f}"'
            f' width="{step * 0.8:.1f}" height="{tall:.1f}"><title>{escape(told)}</title></rect>'
        )
        if count and len(bars) <= 12:
            drawn.append(
                _text(left + step / 2, base - tall - 4, str(count), anchor="middle", style="value")
            )
        if place % every == 0:
            place_ = left if edges else left + step / 2
            drawn.append(_text(place_, height - 24, name, anchor="middle"))
    drawn.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, height - 4, across, anchor="middle"))
    return _svg(drawn, height, label)


def draw_strips(
    strips: Sequence[tuple[str, str, Sequence[tuple[float, str]]]],
    label: str,
    across: str,
    mark: float | None,
) -> str:
    """Draw each value of a few groups as a dot between 0 and 1; `mark` is a line through all."""
    left, columns = 16, 60
    wide = _WIDTH - left - _RIGHT

    def x(value: float) -> float:
        return left + min(max(value, 0.0), 1.0) * wide

    drawn: list[str] = []
    top = 26.0 if mark is not None else 6.0
    for name, style, values in strips:
        stacks: Counter[int] = Counter()
        dots: list[tuple[int, int, str]] = []
        for value, told in sorted(values):
            column = round(min(max(value, 0.0), 1.0) * columns)
            dots.append((column, stacks[column], told))
            stacks[column] += 1
        # A pile that would grow too high is pressed together.
        step = min(2 * _DOT + 1, 90 / max([*stacks.values(), 1]))
        tall = max(stacks.values(), default=1) * step
        base = top + 24 + tall
        drawn.append(_text(left, top + 12, name, style=f"name {style}"))
        drawn.append(_rule(left, base + 2, _WIDTH - _RIGHT, base + 2))
        drawn += [
            _dot(x(column / columns), base - _DOT - level * step, style, told)
            for column, level, told in dots
        ]
        top = base + 12
    if mark is not None:
        drawn.append(
            f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="20" y2="{top:.0f}"/>'
        )
        anchor = "start" if mark < 0.3 else "end" if mark > 0.7 else "middle"
        drawn.append(
            _text(x(mark), 13, f"refused ← {mark:.2f} → answered", anchor=anchor, style="value")
        )
    for tick in (0, 0.25, 0.5, 0.75, 1):
        anchor = "start" if tick == 0 else "end" if tick == 1 else "middle"
        drawn.append(_text(x(tick), top + 12, f"{tick:g}", anchor=anchor))
    drawn.append(_text(_WIDTH / 2, top + 30, across, anchor="middle"))
    return _svg(drawn, ceil(top + 36), label)


def draw_histogram(values: Sequence[float], label: str, across: str) -> str:
    """Draw how many values lie where, in steps of a round number."""
    # The slowest twentieth would make the others a single bar.
    ordered = sorted(values)
    usual = ordered[floor(0.95 * (len(ordered) - 1))] or 1.0
    step = _round_step(usual / 14)
    last = max(ceil(usual * 1.25 / step), 1)
    counts = Counter(min(floor(value / step), last) for value in values)
    bars = []
    for place in range(max(counts) + 1):
        from_, to = place * step, (place + 1) * step
        told = f"{from_:g} to {to:g}" if place < last else f"{from_:g} or more"
        name = f"{from_:g}" if place < last else f"≥{from_:g}"
        bars.append((name, counts[place], "first", f"{told}: {counts[place]}"))
    return draw_bars(bars, label, across, edges=True)


def draw_intervals(intervals: Sequence[Interval], label: str, across: str) -> str:
    """Draw values with their intervals around zero, one below the other."""
    left, row = 156, 26
    height = len(intervals) * row + _BOTTOM + 4
    reach = max([*(max(abs(one.low), abs(one.high)) for one in intervals), 0.02])
    step = _round_step(reach / 2)
    reach = ceil(reach / step - 1e-9) * step

    def x(value: float) -> float:
        return left + (value + reach) / (2 * reach) * (_WIDTH - left - 26)

    base = height - _BOTTOM
    drawn = []
    ticks = round(reach / step)
    for place in range(-ticks, ticks + 1):
        value = place * step
        drawn.append(_rule(x(value), 4, x(value), base, style="zero" if place == 0 else "rule"))
        said = "0" if place == 0 else f"{value:+.2g}"
        drawn.append(_text(x(value), base + 18, said, anchor="middle"))
    for place, one in enumerate(intervals):
        y = 4 + row * (place + 0.5)
        told = f"{one.name}: {one.value:+.3f}, {one.low:+.3f} to {one.high:+.3f}"
        drawn.append(_text(left - 14, y + 4, one.name, anchor="end"))
        drawn.append(
            f'<line class="line {one.style}" x1="{x(one.low):.1f}" x2="{x(one.high):.1f}"'
            f' y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        drawn.append(_dot(x(one.value), y, one.style, told, size=5))
    drawn.append(_text((left + _WIDTH - 26) / 2, height - 4, across, anchor="middle"))
    return _svg(drawn, height, label)


def _round_step(least: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, …"""
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999)


def _counts(most: int) -> list[int]:
    step = max(int(_round_step(most / 4)), 1)
    return list(range(0, most + 1, step))


def _svg(drawn: Iterable[str], height: int, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg>"
    )


def _rule(x1: float, y1: float, x2: float, y2: float, style: str = "rule") -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _dot(x: float, y: float, style: str, told: str, size: int = _DOT) -> str:
    return (
        f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="{size}">'
        f"<title>{escape(told)}</title></circle>"
    )
