"""The page of a suite: summary, every task, every exemplar, failures, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xraysynth.evaluate.suite.downstream_section import downstream_section
from xraysynth.evaluate.suite.figures import (
    difference,
    mean_and_deviation,
    over_tasks,
    table,
)
from xraysynth.evaluate.suite.requests import with_requests
from xraysynth.evaluate.suite.rows import markdown_table, points, spread
from xraysynth.evaluate.suite.sections import (
    choices_section,
    cost_section,
    exemplars_section,
    failures_section,
    inversion_section,
    judge_section,
    missing_section,
    reliability_section,
)
from xraysynth.evaluate.suite.takers import BLIND
from xraysynth.oneshot.methods import OURS, PUBLISHED

PROTOCOLS = {
    "A": "generated scans, an oracle's labels taken as the truth",
    "B": "held-out simulated scans with exact masks, inverted into the generator",
    "C": "a network trained on generated pairs alone, tested on held-out scans with exact masks",
}

REQUESTS = """### The same, requests known

Every test scan was asked to hold one content. Asked for a knife, it holds no gun: what looks like
one is given to what was asked for, as an export does (`export.use_request`). That is knowledge
about the scan and helps every method alike, so it is not part of the headline.
"""

Figures = Mapping[str, Mapping[str, Mapping[int, float]]]


def page(report: Mapping[str, Any]) -> str:
    """Return the Markdown of a report."""
    others = set(report["choices"])
    cells = [c for c in report["cells"] if c["protocol"] == "C" or c["method"] not in others]
    parts = [_head(report), missing_section(report)]
    for protocol in [p for p in PROTOCOLS if any(cell["protocol"] == p for cell in cells)]:
        parts.append(f"## {protocol}: {PROTOCOLS[protocol]}\n")
        if protocol == "B":
            parts.append(inversion_section(report))
        if protocol == "C":
            parts.append(downstream_section(cells))
            continue
        parts += [_verdict(cells, protocol), _summary(cells, protocol), _by_task(cells, protocol)]
        asked = with_requests([cell for cell in cells if cell["protocol"] == protocol])
        if asked:
            parts += [REQUESTS, _verdict(asked, protocol), _summary(asked, protocol)]
            parts.append(_by_task(asked, protocol))
    parts += [
        choices_section(report),
        reliability_section(cells),
        exemplars_section(cells),
        failures_section(report["cells"]),
        judge_section(report),
        cost_section(report),
    ]
    return "\n".join(part for part in parts if part)


def _head(report: Mapping[str, Any]) -> str:
    """Return the title, the command and what the figures mean."""
    material, suite = report["settings"]["material"], report["suite"]
    methods = "\n".join(f"- **{name}**: {text}" for name, text in report["methods"].items() if text)
    clusterings = report["settings"]["clusterings"]
    tasks = "".join(f" {name}" for name in report["settings"]["tasks"])
    title = "One-shot segmentation: all methods" if suite == "paper" else "Ablation of ours"
    return f"""# {title}

Made by `xraysynth evaluate segmenter --suite {suite} --gan {report["generator"]["name"]} --scans \
SCANS.h5{" --tasks" + tasks if tasks else ""} --seed {report["seed"]}`; generator \
{report["generator"]["hash"]}.

Each segmenter learns from **one** labelled generated scan. {material["exemplars"]} exemplars a \
task, the same for all methods, which take turns with {clusterings} clustering\
{"s" if clusterings > 1 else ""}; {material["scans"]} generated scans, the same for all tasks \
(A). IoU is counted \
over a whole test set. **wIoU** weighs classes by their true foreground pixels, background left \
out; **mIoU** is the mean over classes with pixels, the background included. +- is the sample \
deviation over exemplars. Differences are ours less the other, paired by exemplar, with \
Student's 95 % interval (Welch and Satterthwaite over tasks, which are fixed and weigh alike); it \
covers the choice of exemplars, not that of the test scans. All in points of 100. What the \
methods' settings were chosen by: `docs/decisions/0016-suite-on-one-core.md`.

{methods}
"""


def _verdict(cells: Sequence[Mapping[str, Any]], protocol: str) -> str:
    """Return how far ours is ahead of the best other method and of the published recipe."""
    wiou = table(cells, protocol, "wiou")
    own = wiou.get(OURS, {})
    ahead = {name: difference(own, by) for name, by in wiou.items() if name not in (OURS, BLIND)}
    ahead = {name: pair for name, pair in ahead.items() if pair.pairs}
    if not ahead:
        return ""
    closest = min(ahead, key=lambda name: ahead[name].mean)
    blind = difference(wiou.get(BLIND, {}), wiou[closest])
    lines = [
        f"{what}: **{points(pair.mean)}** [{points(pair.low)}, {points(pair.high)}] wIoU "
        f"over {pair.pairs} exemplars of {len(own)} tasks.\n"
        for what, pair in (
            (f"Ours less the best other method, {closest}", ahead[closest]),
            ("Ours less the published recipe", ahead.get(PUBLISHED)),
            (f"{BLIND.capitalize()}, less {closest}", blind if blind.pairs else None),
        )
        if pair is not None
    ]
    return "\n".join(lines)


def _summary(cells: Sequence[Mapping[str, Any]], protocol: str) -> str:
    """Return one row a method: means over tasks and the difference to ours."""
    wiou, miou = (table(cells, protocol, measure) for measure in ("wiou", "miou"))
    merged = table(cells, protocol, "miou_threats_merged")
    rows = []
    for name, tasks in wiou.items():
        pair = difference(wiou.get(OURS, {}), tasks)
        behind = (
            "" if name == OURS else f"{points(pair.mean)} [{points(pair.low)}, {points(pair.high)}]"
        )
        bag = {task: by for task, by in merged[name].items() if task == "bag"}
        rows.append(
            (
                f"**{name}**" if name == OURS else name,
                spread(*over_tasks(tasks)),
                spread(*over_tasks(miou[name])),
                spread(*over_tasks(bag)) if bag else "-",
                behind,
            )
        )
    head = ("method", "wIoU", "mIoU", "bag, threats merged: mIoU", "ours less it, wIoU [95 %]")
    return markdown_table(head, rows)


def _by_task(cells: Sequence[Mapping[str, Any]], protocol: str) -> str:
    """Return one row a method, one column a task."""
    wiou = table(cells, protocol, "wiou")
    tasks = dict.fromkeys(task for by in wiou.values() for task in by)
    rows = [
        (name, *(spread(*mean_and_deviation(list(by.get(t, {}).values()))) for t in tasks))
        for name, by in wiou.items()
    ]
    return f"wIoU by task:\n\n{markdown_table(('method', *tasks), rows)}"
