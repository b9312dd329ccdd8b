"""The work so far, in `annotate.json`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from xraysynth.errors import DamagedError, InputError, SettingsError
from xraysynth.files import read_json, write_json
from xraysynth.oneshot.annotate.runs import label_map_from, runs_from
from xraysynth.oneshot.exemplar import ScanNumber, check_class_name
from xraysynth.schema import MAX_CLASSES
from xraysynth.settings import Settings, settings_from_mapping

NAME = "annotate.json"


class WorkScan(Settings):
    """One scan on the desk."""

    seed: int = Field(ge=0)
    """Seed of the run of `xraysynth generate` that it is of."""
    index: int = Field(ge=0)
    """Its number in that run."""
    truncation_psi: float = Field(ge=0, le=1)
    """Truncation of its latent."""
    note: str = ""
    """Why it is here."""
    labels: list[int]
    """Value, length, value, length, ... row by row."""

    @classmethod
    def of(cls, scan: ScanNumber, label_map: np.ndarray, note: str) -> WorkScan:
        """Return the entry of a scan."""
        return cls(
            seed=scan.seed,
            index=scan.index,
            truncation_psi=scan.truncation_psi,
            note=note,
            labels=runs_from(label_map),
        )

    @property
    def number(self) -> ScanNumber:
        """What names the scan."""
        return ScanNumber(seed=self.seed, index=self.index, truncation_psi=self.truncation_psi)


class Work(Settings):
    """All that a restart needs."""

    version: int = Field(1, ge=1, le=1)
    """Layout of the file."""
    generator: str
    """Hash of the generator."""
    classes: tuple[str, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    """Names of the class ids, background first."""
    current: int = Field(ge=0)
    """Place of the scan that is being labelled."""
    scans: tuple[WorkScan, ...] = Field(min_length=1)
    """The scans, as they lie in the row."""


def save_work(folder: Path, work: Work) -> None:
    """Write the work; the file appears only when whole."""
    write_json(folder / NAME, work.model_dump())


def load_work(folder: Path, generator: str) -> Work | None:
    """Return the work in a folder, or None if there is none.

    Raises
    ------
    InputError
        It is of another generator.
    DamagedError
        It is not what was written.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        work = settings_from_mapping(Work, read_json(path))
        for name in work.classes:
            check_class_name(name)
    except (SettingsError, InputError) as error:
        raise DamagedError(
            f"{path} was changed or cut short: {error} Delete it to start anew.",
            code="annotate-work",
        ) from None
    if work.generator != generator:
        raise InputError(
            f"{folder} holds work on generator {work.generator}; this one is {generator}. Choose "
            "another folder with --out, or the other generator with --gan.",
            code="annotate-work",
        )
    if work.current >= len(work.scans):
        raise DamagedError(
            f"{path} names scan {work.current} of {len(work.scans)}. Delete it to start anew.",
            code="annotate-work",
        )
    return work


def label_maps_of(work: Work, folder: Path, shape: tuple[int, int]) -> list[np.ndarray]:
    """Return the labels (H, W) uint8 of each scan.

    Raises
    ------
    DamagedError
        They are not of this shape and these classes.
    """
    try:
        return [label_map_from(scan.labels, shape, len(work.classes)) for scan in work.scans]
    except InputError as error:
        raise DamagedError(
            f"{folder / NAME} was changed: {error} Delete it to start anew.", code="annotate-work"
        ) from None
