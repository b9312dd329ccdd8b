"""Stage `exemplar`: one labelled scan, or a few."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import CHECKPOINT, EXEMPLAR, SCANS, Context
from xraysynth.settings import Settings


class MakeExemplar:
    """Has a generated scan labelled, or takes what a person labelled, generated or real."""

    name = "exemplar"
    room = "oneshot"
    needs = ("simulate|prepare", "train_gan")

    def settings(self) -> type[Settings]:
        """`ExemplarConfig`."""
        from xraysynth.oneshot.labelling import ExemplarConfig

        return ExemplarConfig

    def inputs(self, context: Context) -> list[Path]:
        """A person's exemplars, or real scans and their labels, if there are any."""
        return list(context.settings.files)

    def outputs(self, context: Context) -> list[Path]:
        """The folder of the exemplar, or of several."""
        return [context.folder / EXEMPLAR]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Label."""
        from xraysynth.gan.checkpoint import load_generator
        from xraysynth.oneshot.make_exemplars import write_exemplars

        write_exemplars(
            load_generator(context.folder / CHECKPOINT),
            context.settings,
            context.seed,
            context.folder / EXEMPLAR,
            context.folder / SCANS,
            context.progress,
        )
