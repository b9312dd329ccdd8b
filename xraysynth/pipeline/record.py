"""`run.json`: what a run was told to do, with what, and how far it has come."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import Field

from xraysynth import __version__
from xraysynth.errors import DamagedError, SettingsError
from xraysynth.files import read_json, write_json
from xraysynth.pipeline.fingerprint import Files
from xraysynth.pipeline.lock import RECORD
from xraysynth.settings import Settings, settings_from_mapping

PACKAGES = ("torch", "numpy", "h5py")


class StageRecord(Settings):
    """What is known of one stage's latest start."""

    status: str
    """running | done | failed | interrupted; "running" without a living process was killed."""
    key: str
    """Hash of `basis`."""
    basis: dict[str, Any]
    """Everything that the result depends on, in short form."""
    seconds: float = 0.0
    """Of the latest start; a stage that went on after an interruption says `resumed`."""
    resumed: bool = False
    outputs: Files = Field(default_factory=dict)
    """By path inside the run's folder."""


class RunRecord:
    """The file `run.json` of one folder, written anew after every change."""

    def __init__(self, folder: Path) -> None:
        """Read the folder's record; an empty one if there is none yet."""
        self.path = folder / RECORD
        self.pipeline: Mapping[str, Any] = {}
        self.stages: dict[str, StageRecord] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        """Take over what stands in the file."""
        try:
            content = read_json(self.path)
            self.pipeline = content["pipeline"]
            self.stages = {
                name: settings_from_mapping(StageRecord, one, name)
                for name, one in content["stages"].items()
            }
        except (TypeError, KeyError, AttributeError, SettingsError) as error:
            raise DamagedError(
                f"{self.path} is not the record of a run; delete it to start the run anew.",
                where=str(self.path),
            ) from error

    def write(self) -> None:
        """Replace the file as a whole; raises StorageError if the disk is full."""
        stages = {name: one.model_dump() for name, one in self.stages.items()}
        write_json(self.path, {"pipeline": self.pipeline, "machine": machine(), "stages": stages})


def machine() -> dict[str, Any]:
    """Return the versions and thread counts on which the last bits of floats may depend."""
    torch = sys.modules.get("torch")
    return {
        "xraysynth": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: metadata.version(name) for name in PACKAGES},
        "cores": len(os.sched_getaffinity(0)),
        "torch_threads": torch.get_num_threads() if torch else None,
    }
