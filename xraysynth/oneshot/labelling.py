"""An exemplar without a human: the best of many generated scans, labelled by a rule or a network.

What labelled it is written into its `origin`, so that no figure built on it can be mistaken for a
person's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic
import torch
from pydantic import Field

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.gan.inversion import InversionConfig
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.oneshot.choice import (
    classes_present,
    confident_classes,
    richest_few,
    strangeness,
)
from xraysynth.oneshot.colour_rule import CLASS_NAMES, ColourRule, colour_probabilities
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.labeller import (
    LabellerConfig,
    PixelClassifier,
    class_probabilities,
    split_scans,
    train_classifier,
)
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanfile import n_views, open_scans
from xraysynth.settings import Settings

BLOCK = 32
"""Candidates in memory at a time."""

Ask = Callable[[Sequence[int]], torch.Tensor | None]
"""Numbers of candidates to the contents asked of them (n, labels), or None."""

LabelFunction = Callable[[np.ndarray], np.ndarray]
"""Scans (n, H, W, C) to class probabilities (n, classes, H, W)."""


class ExemplarConfig(Settings):
    """Where the exemplar comes from."""

    labeller: str = "simulator"
    """`simulator` (a U-Net taught by exact masks), `colour`, or a folder of your exemplars."""
    count: int = Field(1, ge=1, le=32)
    """Scans that `simulator` or `colour` labels."""
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
    truncation_psi: float = Field(0.9, gt=0, le=1)
    """Truncation of the candidates."""
    min_share: float = Field(0.004, gt=0, lt=1)
    """A class with a smaller share of the pixels is not part of the exemplar."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """Only pixels at least this sure count when candidates are compared."""
    typicality: float = Field(2.0, ge=0)
    """Weight of being like other scans against the number of classes, in standard deviations."""
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


def simulator_labeller(
    scans: Path | None, config: ExemplarConfig, seed: int, progress: Progress = silent
) -> Labeller:
    """Return a U-Net trained on the exact masks of half of the simulated scans."""
    if scans is None:
        raise InputError(
            "the labeller `simulator` learns from simulated scans with exact masks, and none were "
            "given. Give a scans.h5, use the labeller `colour`, or an exemplar of your own."
        )
    return labeller_of(*train_labeller(scans, config, seed, progress))


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
        origin=(
            "Labelled by a rule, not by a person: materials read from the hue of the pseudo-colour "
            "(xraysynth.oneshot.colour_rule)."
        ),
    )


def label_exemplar(
    generator: Generator,
    labeller: Labeller,
    config: ExemplarConfig,
    seed: int,
    ask: Ask = lambda _: None,
) -> Exemplar:
    """Return the best of `config.candidates` generated scans, labelled: `label_exemplars` of one.

    Raises
    ------
    InputError
        If the best candidate holds fewer than two classes.
    """
    one = config.model_copy(update={"count": 1})
    return label_exemplars(generator, labeller, one, seed, ask)[0]


def label_exemplars(
    generator: Generator,
    labeller: Labeller,
    config: ExemplarConfig,
    seed: int,
    ask: Ask = lambda _: None,
) -> list[Exemplar]:
    """Return the best `config.count` of `config.candidates` generated scans, labelled.

    `ask` says what a candidate is asked to hold, of a generator that can be asked.

    Raises
    ------
    InputError
        If one of them holds fewer than two classes.
    """
    own_seed = stream_seed(seed, "exemplar candidates")
    usable = [n not in config.without for n in labeller.class_names]
    latent_w, present = [], []
    for start in range(0, config.candidates, BLOCK):
        indices = range(start, min(start + BLOCK, config.candidates))
        codes, images = _scans(generator, own_seed, indices, config.truncation_psi, ask(indices))
        latent_w.append(codes)
        for probability in _probabilities(labeller, images, usable):
            present.append(confident_classes(probability, config.min_share, config.min_confidence))
    chosen = _chosen(generator, torch.cat(latent_w), np.stack(present), config, own_seed)
    made = []
    for index in chosen:
        codes, image = _scans(generator, own_seed, [index], config.truncation_psi, ask([index]))
        probability = _probabilities(labeller, image, usable)[0]
        made.append(_labelled(generator, labeller, config, codes[0], (image[0], probability)))
    return made


def _labelled(
    generator: Generator,
    labeller: Labeller,
    config: ExemplarConfig,
    latent_w: torch.Tensor,
    seen: tuple[np.ndarray, np.ndarray],
) -> Exemplar:
    """Return the exemplar of a chosen scan (H, W, C) and its class probabilities."""
    image, probability = seen
    kept = classes_present(probability, config.min_share)
    if len(kept) < 2:
        raise InputError(
            f"the best of {config.candidates} generated scans holds fewer than two classes; train "
            "the generator longer, raise exemplar.candidates, or label a scan yourself.",
            code="exemplar-empty",
        )
    return Exemplar(
        latent_w=latent_w.cpu().numpy().astype(np.float32),
        label_map=probability[kept].argmax(0).astype(np.uint8),
        class_names=tuple(labeller.class_names[class_id] for class_id in kept),
        origin=(
            f"{labeller.origin} Chosen of {config.candidates} generated scans "
            f"{_WHY[config.choice]}; classes below {config.min_share:.1%} of it are left out."
        ),
        generator_hash=generator_hash(generator),
        image=image,
    )


_WHY = {
    "proposed": "for holding many classes and, told without labels, for being like the others",
    "random": "by lot, of those that hold two classes",
}


def _chosen(
    generator: Generator,
    latent_w: torch.Tensor,
    present: np.ndarray,
    config: ExemplarConfig,
    seed: int,
) -> list[int]:
    """Return the numbers of the candidates that become exemplars; `present` (n, classes) bool."""
    n_classes = present.sum(1)
    # A scan with one class only teaches nothing, however typical it is.
    usable = np.flatnonzero(n_classes >= min(2, n_classes.max()))
    if config.choice == "random":
        lot = stream(seed, "exemplar by lot")
        return [int(n) for n in lot.choice(usable, min(config.count, len(usable)), replace=False)]
    strange = strangeness(generator, latent_w[torch.from_numpy(usable)], seed)
    places = richest_few(present[usable], strange, config.typicality, config.count)
    return [int(usable[place]) for place in places]


def _probabilities(labeller: Labeller, images: np.ndarray, usable: list[bool]) -> np.ndarray:
    """Return class probabilities (n, classes, H, W), 0 for classes that may not be used."""
    wanted: np.ndarray = labeller.probabilities(images) * np.array(usable)[None, :, None, None]
    return wanted


def _scans(
    generator: Generator,
    seed: int,
    indices: Sequence[int],
    psi: float,
    asked: torch.Tensor | None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Return `latent_w` (n, num_ws, w_dim) and scans (n, H, W, C) of numbered candidates."""
    with torch.no_grad():
        latent_z = latents(generator, seed, indices).to(device_of(generator))
        labels = {} if asked is None else {"labels": asked.to(latent_z.device)}
        latent_w = generator.mapping(latent_z, truncation_psi=psi, **labels)
        images = generator.synthesis(latent_w, noise_mode="const")
    return latent_w.clone(), generated_images(generator, images)
