"""Stage `learn`: the segmenter, from the generator and the exemplar."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import CHECKPOINT, EXEMPLAR, SEGMENTER, Context
from xraysynth.settings import Settings


class Learn:
    """Learns what hidden features mean from one labelled scan, or a few."""

    name = "learn"
    room = "oneshot"
    needs = ("train_gan", "exemplar")

    def settings(self) -> type[Settings]:
        """`LearnConfig`."""
        from xraysynth.oneshot.learn import LearnConfig

        return LearnConfig

    def inputs(self, context: Context) -> list[Path]:
        """Nothing from outside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """The segmenter."""
        return [context.folder / SEGMENTER]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Learn."""
        from xraysynth.gan.checkpoint import load_generator
        from xraysynth.oneshot.exemplar_folder import load_exemplars
        from xraysynth.oneshot.learn import learn_segmenter
        from xraysynth.oneshot.segmenter import save_segmenter

        segmenter = learn_segmenter(
            load_generator(context.folder / CHECKPOINT),
            load_exemplars(context.folder / EXEMPLAR),
            context.settings,
            context.seed,
            context.progress,
        )
        save_segmenter(segmenter, context.folder / SEGMENTER)
