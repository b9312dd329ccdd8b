"""Stage `evaluate`: how good the exported masks are, judged by a network that knows the truth."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import EVALUATION, SCANS, SHARDS, Context
from xraysynth.settings import Settings


class Evaluate:
    """Scores exported masks against an oracle; only simulated scans can teach one."""

    name = "evaluate"
    room = "evaluate"
    needs = ("simulate", "export")

    def settings(self) -> type[Settings]:
        """`OracleConfig`."""
        from xraysynth.evaluate.oracle import OracleConfig

        return OracleConfig

    def inputs(self, context: Context) -> list[Path]:
        """Nothing from outside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """The scores, and the picture of how honest the confidence is."""
        from xraysynth.evaluate.segmenter import reliability_picture

        scores = context.folder / EVALUATION
        return [scores, reliability_picture(scores)]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Evaluate."""
        from xraysynth.evaluate.segmenter import evaluate_segmenter

        evaluate_segmenter(
            context.folder / SHARDS,
            context.folder / SCANS,
            context.settings,
            context.seed,
            context.folder / EVALUATION,
            context.progress,
        )
