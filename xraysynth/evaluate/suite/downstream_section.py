"""Protocol C on the page: what training on pairs reaches, as a share of exact pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from xraysynth.evaluate.suite.cells import EXACT, JUDGE
from xraysynth.evaluate.suite.figures import mean_and_deviation, table
from xraysynth.evaluate.suite.rows import markdown_table, spread


def downstream_section(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what training on pairs reaches."""
    miou, wiou = (table(cells, "C", measure) for measure in ("miou", "wiou"))
    merged = table(cells, "C", "miou_threats_merged")
    known = [cell for cell in cells if cell["protocol"] == "C" and "pairs" in cell]
    rows = []
    for name, tasks in miou.items():
        for task, by in tasks.items():
            exact = miou.get(EXACT, {}).get(task, {})
            figures = [list(t[name][task].values()) for t in (miou, wiou, merged)]
            share = "" if name == EXACT else _share(by, exact)
            rows.append((task, name, *(spread(*mean_and_deviation(v)) for v in figures), share))
    head = ("task", "trained on", "mIoU", "wIoU", "threats merged: mIoU", "share of exact, mIoU")
    if not known:
        return ""
    return (
        f"{known[0]['pairs']} pairs each, the same network, steps and {known[0]['scans']} scans "
        "tested on. Generated scans are asked for each content in turn. +- is the deviation over "
        "exemplars, each with its own clustering and network (exact pairs: networks); the share "
        "is paired by network, with Student's 95 % interval, not corrected for what the tested "
        f"scans vary. **{JUDGE}** is what the generator would allow if its scans were labelled as "
        "by the oracle. **requests known**: masks follow what scans were asked to hold, as in an "
        f"export.\n\n{markdown_table(head, rows)}"
    )


def share_of(own: Mapping[int, float], exact: Mapping[int, float]) -> tuple[float, float, float]:
    """Return the mean over pairs of a figure as a share of another, and its 95 % interval.

    Examples
    --------
    >>> share_of({0: 0.3, 1: 0.5}, {0: 0.5, 1: 0.5, 2: 0.5})
    (0.8, -1.741, 3.341)
    """
    both = [number for number in sorted(own) if number in exact]
    values = np.array([own[number] / exact[number] for number in both])
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    half = float("nan")
    if len(values) > 1:
        half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    mean = float(values.mean())
    return round(mean, 4), round(mean - half, 3), round(mean + half, 3)


def _share(own: Mapping[int, float], exact: Mapping[int, float]) -> str:
    """Return a share in words."""
    mean, low, high = share_of(own, exact)
    if np.isnan(mean):
        return "-"
    if np.isnan(low):
        return f"{100 * mean:.1f} %"
    return f"{100 * mean:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
