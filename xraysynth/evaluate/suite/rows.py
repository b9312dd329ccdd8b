"""Rows of Markdown tables, and figures as they stand in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def points(value: float | None) -> str:
    """Return a share in points of 100."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def spread(mean: float, deviation: float) -> str:
    """Return mean and deviation in points of 100."""
    return points(mean) if math.isnan(deviation) else f"{points(mean)} ± {points(deviation)}"
