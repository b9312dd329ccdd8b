"""From findings to one HTML file that needs nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from xraysynth.files import whole_file

TEMPLATE = "report.html.j2"


def environment() -> jinja2.Environment:
    """Return the template environment: everything that is put in is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("xraysynth.audit"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(whole=whole, percent=percent, level=level, pixels=pixels)
    return made


def write_report(context: Mapping[str, Any], path: Path) -> None:
    """Render the report; it appears only when whole."""
    text = environment().get_template(TEMPLATE).render(context)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def whole(value: float) -> str:
    """Return a whole number with commas, a dash if it is unknown.

    Examples
    --------
    >>> whole(12345), whole(float("nan"))
    ('12,345', '–')
    """
    return "–" if math.isnan(value) else f"{int(value):,}"


def percent(share: float) -> str:
    """Return a share in percent, with about three digits.

    Examples
    --------
    >>> percent(0.1234), percent(0.012345), percent(0.00001), percent(1.0)
    ('12.3 %', '1.23 %', '<0.01 %', '100 %')
    """
    if math.isnan(share):
        return "–"
    value = 100 * float(share)
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    if value < 0.01:
        return "<0.01 %"
    return f"{value:.1f} %" if value >= 9.995 else f"{value:.2f} %"


def level(value: float) -> str:
    """Return a value in [0, 1] with two digits, a dash if it is unknown.

    Examples
    --------
    >>> level(0.987)
    '0.99'
    """
    return "–" if math.isnan(value) else f"{float(value):.2f}"


def pixels(value: float) -> str:
    """Return a number of pixels: whole if large, one digit if small and broken."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.1f}"


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings or facts as rows of name and text.

    Examples
    --------
    >>> flatten({"seconds": {"export": 1.23456}, "classes": ["bag", "gun"]})
    [('seconds.export', '1.235'), ('classes', 'bag, gun')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flatten(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and not any(
            isinstance(one, Mapping) for one in value
        ):
            rows.append((name, ", ".join(_text(one) for one in value) or "–"))
        else:
            rows.append((name, _text(value)))
    return rows


def _text(value: Any) -> str:
    """Return one value as text."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def histogram(counts: np.ndarray, labels: list[str]) -> list[dict[str, Any]]:
    """Return bars with heights in percent of the highest one.

    Parameters
    ----------
    counts : of each bar
    labels : what each bar stands for
    """
    highest = max(float(np.max(counts, initial=0)), 1.0)
    return [
        {"label": label, "count": int(count), "height": round(100 * float(count) / highest, 2)}
        for label, count in zip(labels, counts, strict=True)
    ]


def box(row: Mapping[str, Any], names: list[str], low: float, high: float) -> dict[str, float]:
    """Return where the five quantiles of a row lie on a logarithmic axis, in percent.

    Parameters
    ----------
    row : holds the quantiles
    names : of its five quantiles, rising
    low, high : ends of the axis
    """
    span = np.log(high / low)
    places = [
        round(100 * float(np.log(max(float(row[name]), low) / low) / span), 2) for name in names
    ]
    return dict(zip(("q05", "q25", "q50", "q75", "q95"), places, strict=True))


def linear_box(row: Mapping[str, Any], names: list[str]) -> dict[str, float]:
    """Return where the five quantiles of a row lie on an axis from 0 to 1, in percent."""
    places = [round(100 * float(row[name]), 2) for name in names]
    return dict(zip(("q05", "q25", "q50", "q75", "q95"), places, strict=True))
