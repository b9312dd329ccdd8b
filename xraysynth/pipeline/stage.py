"""What a stage is: files in, files out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings

SCANS = Path("scans.h5")
CHECKPOINT = Path("gan/checkpoint.safetensors")
EXEMPLAR = Path("exemplar")
SEGMENTER = Path("segmenter.safetensors")
SHARDS = Path("shards")
AUDIT = Path("audit")
EVALUATION = Path("evaluate/segmenter.json")

SettingsT = TypeVar("SettingsT", bound=Settings)


def part_of(settings: Settings, kind: type[SettingsT]) -> SettingsT:
    """Return the fields of a stage's settings that belong to the room's own config.

    What a room writes into its files then does not hold what only the pipeline cares about.
    """
    return kind.model_validate({name: getattr(settings, name) for name in kind.model_fields})


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that a stage knows about the run it belongs to."""

    folder: Path
    """The run's folder; every file that a stage makes lies below it."""
    settings: Any
    """The stage's own settings, an instance of `stage.settings()`."""
    seed: int
    upstream: tuple[str, ...] = ()
    """Stages of this pipeline whose outputs it reads; files of other runs may lie beside them."""
    workers: int = 1
    """Processes that may work at once. Never changes what is made."""
    progress: Progress = silent
    work_key: str = ""
    """Fingerprint of everything the result depends on; the same key is the same result."""


class Stage(Protocol):
    """One station on the way of the data.

    `run` may be killed at any moment and is called again with the same
    `work_key` as long as nothing it depends on has changed: what it left behind
    is its own, and it goes on from there. When something has changed, `outputs` and
    `scratch` are deleted before `run` is called.
    """

    @property
    def name(self) -> str:
        """Its name in pipeline files."""

    @property
    def room(self) -> str:
        """The package that does its work; a change of code there, or below, redoes the stage."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Stages whose outputs it reads; "a|b" is met by either, "a?" is read where it is there."""

    def settings(self) -> type[Settings]:
        """Return the type of its settings. Imports its room, so it is called late."""

    def inputs(self, context: Context) -> list[Path]:
        """Return the files and folders outside the run that it reads."""

    def outputs(self, context: Context) -> list[Path]:
        """Return the files and folders that later stages and users read."""

    def scratch(self, context: Context) -> list[Path]:
        """Return what it keeps for its own resuming."""

    def run(self, context: Context) -> None:
        """Make the outputs."""
