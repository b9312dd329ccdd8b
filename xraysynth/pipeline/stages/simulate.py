"""Stage `simulate`: scans of the embedded scanner, with exact masks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from xraysynth.pipeline.stage import SCANS, Context, part_of
from xraysynth.settings import Settings


class Simulate:
    """Draws bags and scans them."""

    name = "simulate"
    room = "baggage"
    needs: tuple[str, ...] = ()

    def settings(self) -> type[Settings]:
        """`SimulationConfig` and the number of scans."""
        return _settings()

    def inputs(self, context: Context) -> list[Path]:
        """Nothing: the scanner is inside."""
        return []

    def outputs(self, context: Context) -> list[Path]:
        """The scans."""
        return [context.folder / SCANS]

    def scratch(self, context: Context) -> list[Path]:
        """Finished parts."""
        return [context.folder / f".{SCANS}.parts"]

    def run(self, context: Context) -> None:
        """Simulate; parts that are whole are kept."""
        from xraysynth.baggage.config import SimulationConfig
        from xraysynth.baggage.simulate import simulate

        simulate(
            part_of(context.settings, SimulationConfig),
            context.settings.count,
            context.seed,
            context.folder / SCANS,
            context.workers,
            context.progress,
        )


@cache
def _settings() -> type[Settings]:
    """Return the type of the stage's settings."""
    from xraysynth.baggage.config import SimulationConfig

    class SimulateSettings(SimulationConfig):
        """What the scanner may draw, and how many scans."""

        count: int = Field(ge=1, le=10_000_000)
        """Number of scans."""

    return SimulateSettings
