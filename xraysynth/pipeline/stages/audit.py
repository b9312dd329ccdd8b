"""Stage `audit`: tables and a report on what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xraysynth.files import read_json
from xraysynth.pipeline.stage import AUDIT, EVALUATION, SCANS, SHARDS, Context
from xraysynth.settings import Settings


class Audit:
    """Looks at the shards as a user of them would."""

    name = "audit"
    room = "audit"
    needs = ("simulate|prepare", "export", "evaluate?")

    def settings(self) -> type[Settings]:
        """`AuditConfig`."""
        from xraysynth.audit.config import AuditConfig

        return AuditConfig

    def inputs(self, context: Context) -> list[Path]:
        """Nothing from outside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """`report.html` and the tables behind it."""
        return [context.folder / AUDIT]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Audit."""
        from xraysynth.audit import audit

        judged = "evaluate" in context.upstream
        audit(
            context.folder / SHARDS,
            context.folder / AUDIT,
            scans=context.folder / SCANS,
            config=context.settings,
            facts=scores_of(context.folder / EVALUATION) if judged else {},
            progress=context.progress,
        )


def scores_of(evaluation: Path) -> dict[str, Any]:
    """Return the scores of the masks for the report."""
    report = read_json(evaluation)
    judged = {
        "exported masks": report["segmenter"],
        "exported masks, classes of the exemplar only": report["segmenter_taught"],
        "the oracle itself, on held-out simulated scans": report["oracle"]["held_out_scores"],
    }
    return {
        "agreement with an oracle that learned exact masks": {
            f"{what}: {label}": scores[key]
            for what, scores in judged.items()
            for label, key in (
                ("mean IoU", "mean_iou"),
                ("foreground wIoU", "weighted_iou_foreground"),
            )
        },
        "expected calibration error of the confidence, by the same oracle": {
            what: found["expected_calibration_error"]
            for what, found in report["confidence"].items()
        },
        "who labelled the exemplar": report["exemplar_origins"],
    }
