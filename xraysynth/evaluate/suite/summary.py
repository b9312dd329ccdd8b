"""The headline of a suite, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xraysynth.evaluate.suite.figures import difference, over_tasks, table
from xraysynth.evaluate.suite.requests import with_requests
from xraysynth.oneshot.methods import OURS


def headline(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row a method and protocol; shares, not points."""
    rows = []
    parts = [(protocol, protocol, report["cells"]) for protocol in "ABC"]
    parts.insert(1, ("A, requests known", "A", with_requests(report["cells"])))
    for title, protocol, cells in parts:
        wiou = table(cells, protocol, "wiou")
        miou = table(cells, protocol, "miou")
        for name, tasks in wiou.items():
            mean, deviation = over_tasks(tasks)
            pair = difference(wiou[OURS], tasks) if OURS in wiou else None
            rows.append(
                {
                    "protocol": title,
                    "method": name,
                    "wiou": round(mean, 4),
                    "+-": round(deviation, 4),
                    "miou": round(over_tasks(miou[name])[0], 4),
                    "ours less it": "-" if pair is None else f"{pair.mean:+.4f}",
                    "95 % interval": "-" if pair is None else f"{pair.low:+.4f} {pair.high:+.4f}",
                }
            )
    return rows
