"""Stage `prepare`: real scans of any readable format, made equal in size."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from xraysynth.pipeline.stage import SCANS, Context, part_of
from xraysynth.settings import Settings


class Prepare:
    """Reads a data set."""

    name = "prepare"
    room = "scans"
    needs: tuple[str, ...] = ()

    def settings(self) -> type[Settings]:
        """`PrepareConfig`, the data set's folder and its format."""
        return _settings()

    def inputs(self, context: Context) -> list[Path]:
        """The data set."""
        return [Path(context.settings.source)]

    def outputs(self, context: Context) -> list[Path]:
        """The scans, and the table of those that could not be used."""
        return [context.folder / SCANS, context.folder / "scans.set_aside.csv"]

    def scratch(self, context: Context) -> list[Path]:
        """Nothing: it begins again."""
        return []

    def run(self, context: Context) -> None:
        """Read, letterbox, write."""
        from xraysynth.scans.prepare import PrepareConfig, prepare

        config = part_of(context.settings, PrepareConfig)
        prepare(
            Path(context.settings.source),
            context.settings.format,
            context.folder / SCANS,
            config.model_copy(update={"workers": context.workers}),
            context.progress,
        )


@cache
def _settings() -> type[Settings]:
    """Return the type of the stage's settings."""
    from xraysynth.scans.prepare import PrepareConfig

    class PrepareSettings(PrepareConfig):
        """Where the scans lie, in which format, and the size that they get."""

        source: str = Field(min_length=1)
        """Folder of the data set, from the current folder."""
        format: str = Field(min_length=1)
        """Its format, such as "sixray" or "folder"."""

    return PrepareSettings
