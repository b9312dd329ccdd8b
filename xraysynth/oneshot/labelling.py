"""What labels an exemplar without a human: a rule that reads colours, or a network.

What labelled it is written into its `origin`, so that no figure built on it can be mistaken for a
person's work. Which scans are labelled is chosen in `candidates.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic
from pydantic import Field

from xraysynth.errors import InputError
from xraysynth.gan.inversion import InversionConfig
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.colour_rule import CLASS_NAMES, ColourRule, colour_probabilities
from xraysynth.oneshot.labeller import (
    LabellerConfig,
    PixelClassifier,
    class_probabilities,
    split_scans,
    train_classifier,
)
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import class_names, n_views, open_scans
from xraysynth.settings import Settings

COUNTED = 256
"""Scans whose masks are read to see which classes there are."""

LabelFunction = Callable[[np.ndarray], np.ndarray]
"""Scans (n, H, W, C) to class probabilities (n, classes, H, W)."""


class ExemplarConfig(Settings):
    """Where the exemplar comes from."""

    labeller: str = "simulator"
    """`simulator` (a U-Net taught by exact masks), `colour`, or a folder of your exemplars."""
    count: int = Field(1, ge=1, le=32)
    """Scans that `simulator` or `colour` labels: several hold more classes than one can."""
    balance: bool = True
    """Ask the candidates for each content in turn, of a generator that can be asked."""
    real_scans: tuple[str, ...] = ()
    """Pictures of real scans that you labelled: inverted into the generator, no `labeller` then."""
    real_labels: tuple[str, ...] = ()
    """Their label files, in the same order: labelme, COCO or indexed PNG."""
    real_classes: tuple[str, ...] = ()
    """Classes of those files, background first; a PNG needs it, JSON can bring its own."""
    inversion: InversionConfig = InversionConfig()
    """How real scans are inverted."""
    candidates: int = Field(128, ge=1)
    """Generated scans to choose from."""
    truncation_psi: float = Field(EXPORTED_PSI, gt=0, le=1)
    """Truncation of the candidates."""
    min_share: float = Field(0.004, gt=0, lt=1)
    """A class with a smaller share of the pixels is not part of the exemplar."""
    enough_share: float = Field(0.01, gt=0, lt=1)
    """A class counts in full from this share of the pixels on, and in part below."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """Only pixels at least this sure count when candidates are compared."""
    typicality: float = Field(2.0, ge=0)
    """Weight of being like other scans against showing classes, in standard deviations; several
    exemplars share it."""
    choice: Literal["proposed", "random"] = "proposed"
    """`proposed` takes the best candidate, `random` any that holds two classes, to compare with."""
    without: tuple[str, ...] = ()
    """Classes that the exemplar shall not have; their pixels get the next likely class."""
    unet: LabellerConfig = LabellerConfig()
    """Training of the labeller `simulator`."""
    colour: ColourRule = ColourRule()
    """Thresholds of the labeller `colour`."""

    @pydantic.model_validator(mode="after")
    def _pairs(self) -> ExemplarConfig:
        if len(self.real_scans) != len(self.real_labels):
            raise ValueError(
                f"real_scans names {len(self.real_scans)} files and real_labels "
                f"{len(self.real_labels)}; want a label file for each scan"
            )
        return self

    @property
    def real_pairs(self) -> list[tuple[Path, Path]]:
        """Real scans, each with its label file."""
        pairs = zip(self.real_scans, self.real_labels, strict=True)
        return [(Path(scan), Path(labels)) for scan, labels in pairs]

    @property
    def files(self) -> list[Path]:
        """Files and folders that the exemplars come from."""
        if self.real_scans:
            return [path for pair in self.real_pairs for path in pair]
        return [] if self.labeller in ("simulator", "colour") else [Path(self.labeller)]


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """Something that labels scans, and how it came to do so."""

    probabilities: LabelFunction
    """Scans (n, H, W, C) to class probabilities (n, classes, H, W)."""
    class_names: tuple[str, ...]
    """Names of the classes, background first."""
    origin: str
    """One sentence for the exemplar."""
    learned_names: tuple[str, ...] = ()
    """Classes that it can be expected to find."""


def simulator_labeller(
    scans: Path | None, config: ExemplarConfig, seed: int, progress: Progress = silent
) -> Labeller:
    """Return a U-Net trained on the exact masks of half of the simulated scans."""
    if scans is None:
        raise InputError(
            "the labeller `simulator` learns from simulated scans with exact masks, and none were "
            "given. Give a scans.h5, use the labeller `colour`, or an exemplar of your own."
        )
    labeller = labeller_of(*train_labeller(scans, config, seed, progress))
    return replace(labeller, learned_names=occurring_classes(scans))


def train_labeller(
    scans: Path, config: ExemplarConfig, seed: int, progress: Progress = silent
) -> tuple[PixelClassifier, str]:
    """Return the U-Net of `simulator_labeller`, and how it came to be, for the exemplar."""
    with open_scans(scans) as file:
        rows = split_scans(len(file["images"]), n_views(file)).labeller
    own_seed = stream_seed(seed, "labeller")
    model = train_classifier(scans, rows, config.unet, own_seed, progress)
    return model, (
        "Labelled by a network, not by a person: a small U-Net trained for "
        f"{config.unet.steps} steps on the exact masks of {len(rows)} simulated scans."
    )


def occurring_classes(scans: Path) -> tuple[str, ...]:
    """Return the names of the classes that the exact masks of the first scans hold."""
    with open_scans(scans) as file:
        names = class_names(file)
        found = np.unique(file["masks"][:COUNTED]).tolist() if "masks" in file else []
    return tuple(names[class_id] for class_id in found)


def labeller_of(model: PixelClassifier, origin: str) -> Labeller:
    """Return a trained network as a labeller."""
    return Labeller(
        probabilities=lambda images: class_probabilities(model, images),
        class_names=model.class_names,
        origin=origin,
    )


def colour_labeller(rule: ColourRule) -> Labeller:
    """Return the rule that reads materials from pseudo-colour."""
    return Labeller(
        probabilities=lambda images: colour_probabilities(images, rule),
        class_names=CLASS_NAMES,
        learned_names=CLASS_NAMES,
        origin=(
            "Labelled by a rule, not by a person: materials read from the hue of the pseudo-colour "
            "(xraysynth.oneshot.colour_rule)."
        ),
    )
