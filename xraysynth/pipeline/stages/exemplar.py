"""Stage `exemplar`: one generated scan, labelled."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import CHECKPOINT, EXEMPLAR, SCANS, Context
from xraysynth.settings import Settings


class MakeExemplar:
    """Chooses a generated scan and has it labelled, or takes the one that a person labelled."""

    name = "exemplar"
    room = "oneshot"
    needs = ("simulate|prepare", "train_gan")

    def settings(self) -> type[Settings]:
        """`ExemplarConfig`."""
        from xraysynth.oneshot.labelling import ExemplarConfig

        return ExemplarConfig

    def inputs(self, context: Context) -> list[Path]:
        """The folder of a person's exemplar, if the labeller is one."""
        labeller = context.settings.labeller
        return [] if labeller in ("simulator", "colour") else [Path(labeller)]

    def outputs(self, context: Context) -> list[Path]:
        """The exemplar's folder."""
        return [context.folder / EXEMPLAR]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Label."""
        from xraysynth.gan.checkpoint import load_generator
        from xraysynth.oneshot.exemplar_folder import save_exemplar
        from xraysynth.oneshot.labelling import make_exemplar

        exemplar = make_exemplar(
            load_generator(context.folder / CHECKPOINT),
            context.settings,
            context.seed,
            context.folder / SCANS,
            context.progress,
        )
        save_exemplar(exemplar, context.folder / EXEMPLAR)
