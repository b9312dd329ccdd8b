"""Stage `export`: labelled scans in shards."""

from __future__ import annotations

from pathlib import Path

from xraysynth.pipeline.stage import CHECKPOINT, SEGMENTER, SHARDS, Context
from xraysynth.settings import Settings


class Export:
    """Generates scans with their labels, tables and manifest."""

    name = "export"
    room = "oneshot"
    needs = ("train_gan", "learn")

    def settings(self) -> type[Settings]:
        """`ExportConfig`."""
        from xraysynth.oneshot.export import ExportConfig

        return ExportConfig

    def inputs(self, context: Context) -> list[Path]:
        """Nothing from outside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """The folder of shards."""
        return [context.folder / SHARDS]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing beside the shards that are finished."""
        return []

    def run(self, context: Context) -> None:
        """Export; shards that are whole are kept."""
        from xraysynth.oneshot.export import export

        export(
            context.folder / CHECKPOINT,
            context.folder / SEGMENTER,
            context.settings,
            seed=context.seed,
            out=context.folder / SHARDS,
            workers=context.workers,
            progress=context.progress,
        )
