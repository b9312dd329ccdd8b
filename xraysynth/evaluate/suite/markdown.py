"""The page of a suite: summary, every task, every exemplar, failures, and how to make it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xraysynth.evaluate.suite.cells import EXACT
from xraysynth.evaluate.suite.figures import (
    difference,
    mean_and_deviation,
    over_tasks,
    reliability,
    table,
)
from xraysynth.oneshot.methods import OURS

PROTOCOLS = {
    "A": "generated scans, an oracle's labels taken as the truth",
    "B": "held-out simulated scans with exact masks, inverted into the generator",
    "C": "a network trained on generated pairs alone, tested on held-out scans with exact masks",
}

Figures = Mapping[str, Mapping[str, Mapping[int, float]]]


def page(report: Mapping[str, Any]) -> str:
    """Return the Markdown of a report."""
    cells = report["cells"]
    parts = [_head(report)]
    for protocol in [p for p in PROTOCOLS if any(cell["protocol"] == p for cell in cells)]:
        parts.append(f"## {protocol}: {PROTOCOLS[protocol]}\n")
        if protocol == "B":
            parts.append(_inversion(report))
        if protocol == "C":
            parts.append(_downstream(cells))
            continue
        parts.append(_summary(cells, protocol))
        parts.append(_by_task(cells, protocol))
    parts += [_reliability(cells), _exemplars(cells), _failures(cells), _judge(report)]
    return "\n".join(part for part in parts if part)


def _head(report: Mapping[str, Any]) -> str:
    """Return the title, the command and what the figures mean."""
    material, suite = report["settings"]["material"], report["suite"]
    methods = "\n".join(f"- **{name}**: {text}" for name, text in report["methods"].items() if text)
    title = "One-shot segmentation: all methods" if suite == "paper" else "Ablation of ours"
    return f"""# {title}

Made by `xraysynth evaluate segmenter --suite {suite} --gan {report["generator"]["name"]} --scans \
SCANS.h5 --seed {report["seed"]}`; generator {report["generator"]["hash"]}.

Each segmenter learns from **one** labelled generated scan. {material["exemplars"]} exemplars a \
task, the same for all methods; {material["scans"]} generated scans a task (A). IoU is counted \
over a whole test set. **wIoU** weighs classes by their true foreground pixels, background left \
out; **mIoU** is the mean over classes with pixels, the background included. +- is the sample \
deviation over exemplars. Differences are ours less the other, paired by exemplar, with \
Student's 95 % interval (Welch and Satterthwaite over tasks, which are fixed and weigh alike); it \
covers the choice of exemplars, not that of the test scans. All in points of 100.

{methods}
"""


def _summary(cells: Sequence[Mapping[str, Any]], protocol: str) -> str:
    """Return one row a method: means over tasks and the difference to ours."""
    wiou, miou = (table(cells, protocol, measure) for measure in ("wiou", "miou"))
    merged = table(cells, protocol, "miou_threats_merged")
    rows = []
    for name, tasks in wiou.items():
        pair = difference(wiou[OURS], tasks)
        behind = (
            ""
            if name == OURS
            else f"{_points(pair.mean)} [{_points(pair.low)}, {_points(pair.high)}]"
        )
        bag = {task: by for task, by in merged[name].items() if task == "bag"}
        rows.append(
            (
                f"**{name}**" if name == OURS else name,
                _spread(*over_tasks(tasks)),
                _spread(*over_tasks(miou[name])),
                _spread(*over_tasks(bag)) if bag else "-",
                behind,
            )
        )
    head = ("method", "wIoU", "mIoU", "bag, threats merged: mIoU", "ours less it, wIoU [95 %]")
    return _table(head, rows)


def _by_task(cells: Sequence[Mapping[str, Any]], protocol: str) -> str:
    """Return one row a method, one column a task."""
    wiou = table(cells, protocol, "wiou")
    tasks = list(wiou[OURS])
    rows = [
        (name, *(_spread(*mean_and_deviation(list(by.get(t, {}).values()))) for t in tasks))
        for name, by in wiou.items()
    ]
    return f"wIoU by task:\n\n{_table(('method', *tasks), rows)}"


def _downstream(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what training on pairs reaches, as a share of exact pairs."""
    miou, wiou = (table(cells, "C", measure) for measure in ("miou", "wiou"))
    pairs = next(cell["pairs"] for cell in cells if cell["protocol"] == "C" and "pairs" in cell)
    rows = []
    for name, tasks in miou.items():
        for task, by in tasks.items():
            exact = mean_and_deviation(list(miou[EXACT][task].values()))[0]
            mean, deviation = mean_and_deviation(list(by.values()))
            share = "" if name == EXACT else f"{100 * mean / exact:.1f} %"
            weighted = mean_and_deviation(list(wiou[name][task].values()))
            rows.append((task, name, _spread(mean, deviation), _spread(*weighted), share))
    head = ("task", "trained on", "mIoU", "wIoU", "share of exact, mIoU")
    return f"{pairs} pairs each, the same network and steps.\n\n{_table(head, rows)}"


def _reliability(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return how far each method's confidence can be believed."""
    rows = []
    for name in dict.fromkeys(cell["method"] for cell in cells):
        own = [c for c in cells if c["method"] == name and c["protocol"] == "A"]
        if any("reliability" in cell for cell in own):
            curve = reliability(own)
            rows.append((name, _points(curve["error"]), *map(_points, curve["right"])))
    if not rows:
        return ""
    bins = tuple(f"{low / 10:.1f}-{(low + 1) / 10:.1f}" for low in range(10))
    return (
        "## Confidence\n\nShare of right pixels (A, all tasks) where a method's confidence lies in "
        "a range; `error` is the mean distance of the two, weighed by pixels.\n\n"
        + _table(("method", "error", *bins), rows)
    )


def _exemplars(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return every exemplar's own figures."""
    parts = ["## Every exemplar\n"]
    for protocol in ("A", "B"):
        wiou = table(cells, protocol, "wiou")
        if not wiou:
            continue
        rows = [
            (task, str(number), *(_points(by.get(task, {}).get(number)) for by in wiou.values()))
            for task in wiou[OURS]
            for number in sorted(wiou[OURS][task])
        ]
        parts.append(f"{protocol}, wIoU:\n")
        parts.append(_table(("task", "exemplar", *wiou), rows))
    return "\n".join(parts)


def _failures(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what could not be measured."""
    found = sorted({(c["task"], c["exemplar"], c["failed"]) for c in cells if "failed" in c})
    lines = "\n".join(f"- {task}, exemplar {number}: {why}." for task, number, why in found)
    return f"## Failures\n\n{lines or 'None.'}\n"


def _inversion(report: Mapping[str, Any]) -> str:
    """Return how well scans were inverted."""
    facts = report["inversion"]
    if not facts:
        return ""
    return (
        f"{facts['scans']} scans; root mean square error of the inverted pictures "
        f"{facts['root_mean_square_error']:.3f} of full scale, "
        f"{facts['relative_to_the_mean_picture']:.2f} of that of the mean picture.\n"
    )


def _judge(report: Mapping[str, Any]) -> str:
    """Return how good the oracle is itself."""
    own = report["oracle"]["held_out_scores"]
    rows = [(name, _points(value)) for name, value in own["iou"].items() if value is not None]
    return (
        f"## The oracle itself\n\n{report['oracle']['independence']}. On "
        f"{report['oracle']['held_out_scans']} held-out simulated scans: mIoU "
        f"{_points(own['mean_iou'])}, wIoU {_points(own['weighted_iou_foreground'])}, mIoU with "
        f"threats merged {_points(own['threats_merged']['mean_iou'])}.\n\n"
        + _table(("class", "IoU"), rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _points(value: float | None) -> str:
    """Return a share in points of 100."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _spread(mean: float, deviation: float) -> str:
    """Return mean and deviation in points of 100."""
    return _points(mean) if math.isnan(deviation) else f"{_points(mean)} ± {_points(deviation)}"
