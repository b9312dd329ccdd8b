"""Stage `train_gan`: a generator of scans."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import CHECKPOINT, SCANS, Context
from xraysynth.settings import Settings


class TrainGan:
    """Trains StyleGAN2-ADA, from random weights or from a generator that draws bags already."""

    name = "train_gan"
    room = "gan"
    needs = ("simulate|prepare",)

    def settings(self) -> type[Settings]:
        """`TrainConfig`."""
        from xraysynth.gan.train_config import TrainConfig

        return TrainConfig

    def inputs(self, context: Context) -> list[Path]:
        """The generator to start from and its discriminator, if there are any."""
        from xraysynth.gan.checkpoint import discriminator_path, generator_path

        if not context.settings.init:
            return []
        files = [generator_path(context.settings.init), discriminator_path(context.settings.init)]
        return [path for path in files if path is not None]

    def outputs(self, context: Context) -> list[Path]:
        """The averaged generator."""
        return [context.folder / CHECKPOINT]

    def scratch(self, context: Context) -> list[Path]:
        """State to resume from, statistics, sample grids."""
        return [context.folder / CHECKPOINT.parent]

    def run(self, context: Context) -> None:
        """Train, from the last snapshot if there is one."""
        from xraysynth.gan.trainer import train

        train(
            context.folder / SCANS,
            context.folder / CHECKPOINT.parent,
            context.settings,
            context.seed,
            context.progress,
        )
