"""Small charts as SVG paths, drawn here so that no page needs a script for them (D16)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A line with the area under it, as path data."""

    line: str
    fill: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One stacked bar: where it stands and how high its two parts are, in units of the chart."""

    x: float
    width: float
    handled: float
    failed: float


def area(values: Sequence[int], *, width: float, height: float) -> Area | None:
    """Draw values from the oldest to the newest; None when there is nothing to see."""
    top = max(values, default=0)
    if top == 0 or len(values) < 2:
        return None
    across, up = width / (len(values) - 1), height - 5
    points = [f"{n * across:.1f} {height - 2 - value / top * up:.1f}" for n, value in enumerate(values)]
    line = "M" + " L".join(points)
    return Area(line, f"{line} L{width:g} {height:g} L0 {height:g}Z")


def bars(pairs: Sequence[tuple[int, int]], *, width: float, height: float) -> list[Bar]:
    """Stack pairs of (handled, failed), the tallest as high as the chart."""
    top = max((handled + failed for handled, failed in pairs), default=0) or 1
    across = width / max(1, len(pairs))
    return [
        Bar(round(n * across + 2, 1), round(across - 4, 1), _tall(handled, top, height), _tall(failed, top, height))
        for n, (handled, failed) in enumerate(pairs)
    ]


def _tall(value: int, top: int, height: float) -> float:
    return round(max(2.0, value / top * height), 1) if value else 0.0
