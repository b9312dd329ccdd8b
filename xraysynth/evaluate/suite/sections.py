"""Sections of a suite's page beside its tables of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xraysynth.evaluate.suite.config import BAG
from xraysynth.evaluate.suite.cost import total
from xraysynth.evaluate.suite.figures import (
    difference,
    mean_and_deviation,
    reliability,
    table,
)
from xraysynth.evaluate.suite.rows import markdown_table, points, spread
from xraysynth.oneshot.methods import OURS


def missing_section(report: Mapping[str, Any]) -> str:
    """Return what has not been measured yet, if anything."""
    missing = report["missing"]
    if not missing:
        return ""
    count = sum(sum(by.values()) for by in missing.values())
    rows = [(name, *(str(by.get(p, 0)) for p in "ABC")) for name, by in missing.items()]
    return (
        f"**Not finished: {count} cells are missing**, and figures below are of the others; means "
        "of methods with different exemplars do not compare, paired differences do. The same "
        f"command goes on.\n\n{markdown_table(('cells missing', 'A', 'B', 'C'), rows)}"
    )


def choices_section(report: Mapping[str, Any]) -> str:
    """Return how much depends on which scan of the bag is labelled."""
    names = [OURS, *report["choices"]]
    wiou, miou = (table(report["cells"], "A", measure) for measure in ("wiou", "miou"))
    rows = []
    for name in names:
        if BAG not in wiou.get(name, {}) or BAG not in wiou.get(OURS, {}):
            continue
        by = {BAG: wiou[name][BAG]}
        pair = difference({BAG: wiou[OURS][BAG]}, by)
        less = f"{points(pair.mean)} [{points(pair.low)}, {points(pair.high)}]"
        rows.append(
            (
                name,
                spread(*mean_and_deviation(list(by[BAG].values()))),
                spread(*mean_and_deviation(list(miou[name][BAG].values()))),
                "" if name == OURS else less,
            )
        )
    if len(rows) < 2:
        return ""
    head = ("ours, by what is labelled", "wIoU", "mIoU", "ours less it, wIoU [95 %]")
    return (
        "## Which scan is labelled\n\nThe bag (A). **ours** takes the candidate that holds many "
        "classes, as the labeller sees them, and is like the others; the scans that `xraysynth "
        "annotate` proposes are chosen without a labeller. **all exemplars at once** are the same "
        "labelled scans each time, with another clustering; **eight scans chosen together** "
        "hold all classes between them where they can, each time others, with the head of "
        "the quickstart.\n\n"
        f"{markdown_table(head, rows)}"
    )


def cost_section(report: Mapping[str, Any]) -> str:
    """Return what the page cost to make."""
    costs = report["cost"]
    every = {**costs, "**all**": total(costs.values())}
    rows = [
        (name, f"{cost['cpu_seconds'] / 60:.1f}", f"{cost['wall_seconds'] / 60:.1f}")
        for name, cost in every.items()
    ]
    return (
        "## What this page cost\n\nOne thread. The wall clock counts waiting for a machine that "
        "others use as well. Other suites on the same generator or scans share the first "
        "rows.\n\n" + markdown_table(("part", "CPU minutes", "minutes by the clock"), rows)
    )


def reliability_section(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return how far each method's confidence can be believed."""
    rows = []
    for name in dict.fromkeys(cell["method"] for cell in cells):
        own = [c for c in cells if c["method"] == name and c["protocol"] == "A"]
        if any("reliability" in cell for cell in own):
            curve = reliability(own)
            rows.append((name, points(curve["error"]), *map(points, curve["right"])))
    if not rows:
        return ""
    bins = tuple(f"{low / 10:.1f}-{(low + 1) / 10:.1f}" for low in range(10))
    return (
        "## Confidence\n\nShare of right pixels (A, all tasks) where a method's confidence lies in "
        "a range; `error` is the mean distance of the two, weighed by pixels.\n\n"
        + markdown_table(("method", "error", *bins), rows)
    )


def exemplars_section(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return every exemplar's own figures."""
    parts = ["## Every exemplar\n"]
    for protocol in ("A", "B"):
        wiou = table(cells, protocol, "wiou")
        if not wiou:
            continue
        rows = [
            (task, str(number), *(points(by.get(task, {}).get(number)) for by in wiou.values()))
            for task, number in sorted({(t, n) for by in wiou.values() for t in by for n in by[t]})
        ]
        parts.append(f"{protocol}, wIoU:\n")
        parts.append(markdown_table(("task", "exemplar", *wiou), rows))
    return "\n".join(parts)


def failures_section(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what could not be measured."""
    found = sorted({(c["task"], c["exemplar"], c["failed"]) for c in cells if "failed" in c})
    lines = "\n".join(f"- {task}, exemplar {number}: {why}." for task, number, why in found)
    return f"## Failures\n\n{lines or 'None.'}\n"


def inversion_section(report: Mapping[str, Any]) -> str:
    """Return how well scans were inverted."""
    facts = report["inversion"]
    if not facts:
        return ""
    return (
        f"{facts['scans']} scans; root mean square error of the inverted pictures "
        f"{facts['root_mean_square_error']:.3f} of full scale, "
        f"{facts['relative_to_the_mean_picture']:.2f} of that of the mean picture.\n"
    )


def judge_section(report: Mapping[str, Any]) -> str:
    """Return how good the oracle is itself."""
    own = report["oracle"]["held_out_scores"]
    rows = [(name, points(value)) for name, value in own["iou"].items() if value is not None]
    return (
        f"## The oracle itself\n\n{report['oracle']['independence']}. On "
        f"{report['oracle']['held_out_scans']} held-out simulated scans: mIoU "
        f"{points(own['mean_iou'])}, wIoU {points(own['weighted_iou_foreground'])}, mIoU with "
        f"threats merged {points(own['threats_merged']['mean_iou'])}.\n\n"
        + markdown_table(("class", "IoU"), rows)
    )
