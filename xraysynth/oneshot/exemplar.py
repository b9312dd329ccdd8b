"""The exemplar: the one labelled scan, as a folder that a person can look at and edit.

`exemplar.json` (class names, origin, generator), `label_map.png` (indexed, class colours),
`scan.png` (to look at), `latent.safetensors` (`latent_w`). How such a folder is read, and what else
may stand in it, is told in `exemplar_folder.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xraysynth.errors import CheckpointError, InputError
from xraysynth.gan.grids import displayable
from xraysynth.schema import MAX_CLASSES, classes

SPARE_COLOURS = ((0, 158, 115), (0, 0, 0), (240, 228, 66), (204, 0, 204), (213, 0, 0))
"""For classes that `data_schema/classes.yaml` does not know, in turn."""
BACKGROUND = "background"
"""Name of id 0. Exemplars are joined by the names of their classes, so it has one name in all."""
MAX_CODE = 1e4
"""No number of a latent is larger. Those of the bundled generators reach 16; synthesis squares them
and draws what tells nothing beyond 1e18 in single precision, 65504 in half."""


@dataclass(frozen=True, kw_only=True)
class ScanNumber:
    """What names a generated scan beside its generator: `xraysynth generate` counts alike."""

    seed: int
    """Seed of the run."""
    index: int
    """Place in the run."""
    truncation_psi: float = 1.0
    """Truncation of the latent; 1 is none."""


@dataclass(frozen=True, kw_only=True)
class Exemplar:
    """A generated scan with its label map."""

    latent_w: np.ndarray
    """(num_ws, w_dim) float32: the scan, for the generator."""
    label_map: np.ndarray
    """(H, W) uint8: ids that index `class_names`."""
    class_names: tuple[str, ...]
    """Names of the ids; the first is the background."""
    origin: str
    """Who or what labelled it, in words."""
    generator_hash: str
    """Hash of the generator that `latent_w` belongs to."""
    image: np.ndarray
    """(H, W, C) uint8: the scan, to look at."""
    scan: ScanNumber | None = None
    """Which generated scan it is, if it has a number."""

    def __post_init__(self) -> None:
        check_exemplar(self)

    @property
    def exemplar_id(self) -> str:
        """16 hexadecimal digits over latent, labels and class names."""
        digest = hashlib.sha256("\x1f".join(self.class_names).encode())
        digest.update(np.ascontiguousarray(self.latent_w, dtype="<f4").tobytes())
        digest.update(np.ascontiguousarray(self.label_map).tobytes())
        return digest.hexdigest()[:16]


def check_exemplar(exemplar: Exemplar) -> None:
    """Check an exemplar by itself.

    Raises
    ------
    InputError
        Sizes differ, an id has no name, a class has no pixel; what `check_class_names` raises.
    """
    names, labels = exemplar.class_names, exemplar.label_map
    check_class_names(names)
    if labels.shape != exemplar.image.shape[:2]:
        raise InputError(
            f"the label map is {_size(labels)} pixels and its scan {_size(exemplar.image)}; label "
            "the scan at its own size.",
            code="exemplar-size",
        )
    found = np.unique(labels)
    if found[-1] >= len(names):
        raise InputError(
            f"the label map holds class id {found[-1]}; want 0 to {len(names) - 1} "
            f"({', '.join(names)}). Name that class too, or repaint those pixels.",
            code="exemplar-class",
        )
    missing = sorted(set(range(len(names))) - set(found.tolist()))
    if missing:
        name = names[missing[0]]
        todo = (
            "leave what is open belt and air unlabelled."
            if name == BACKGROUND
            else "label some, or take the class out of the list of classes."
        )
        raise InputError(
            f"the label map has no pixel of class {name!r}; {todo}", code="exemplar-empty"
        )


def check_class_names(names: Sequence[str]) -> None:
    """Check the names of an exemplar's ids.

    Raises
    ------
    InputError
        Too many, too few or repeated ones, one that cannot be a name, or no background first.

    Examples
    --------
    >>> check_class_names(["knife", "bag"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    xraysynth.errors.InputError: the first class is 'knife'; want 'background', the class of all ...
    """
    for name in names:
        check_class_name(name)
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) != len(names):
        listed = ", ".join(names[:MAX_CLASSES])
        raise InputError(
            f"{len(names)} classes were given ({listed}); want 2 to {MAX_CLASSES} different ones, "
            "background among them. Leave some out, or join them under one name.",
            code="exemplar-classes",
        )
    if names[0] != BACKGROUND:
        raise InputError(
            f"the first class is {names[0]!r}; want {BACKGROUND!r}, the class of all that nobody "
            "labels: put it first.",
            code="exemplar-classes",
        )


def check_class_name(name: str) -> None:
    """Check that a name can stand in the tables of shards.

    Raises
    ------
    InputError
        It is empty, too long, or holds a comma or a control character.

    Examples
    --------
    >>> check_class_name("knife, open")
    Traceback (most recent call last):
    ...
    xraysynth.errors.InputError: 'knife, open' is no class name; want 1 to 32 bytes, no comma.
    """
    length = len(name.encode(errors="replace"))
    if not 1 <= length <= 32 or name != name.strip() or "," in name or not name.isprintable():
        raise InputError(
            f"{name!r} is no class name; want 1 to 32 bytes, no comma.",
            code="exemplar-classes",
        )


def check_exemplar_belongs(
    exemplar: Exemplar, generator_hash: str, latent_shape: tuple[int, int], size_px: tuple[int, int]
) -> None:
    """Check that an exemplar is of this generator.

    Raises
    ------
    CheckpointError
        Another generator, latent or resolution.
    """
    if exemplar.generator_hash != generator_hash:
        raise CheckpointError(
            f"the exemplar was labelled on generator {exemplar.generator_hash}; this one is "
            f"{generator_hash}. Label a scan of this one, or use the exemplar's generator.",
            code="exemplar-generator",
        )
    if exemplar.latent_w.shape != latent_shape or exemplar.label_map.shape != size_px:
        raise CheckpointError(
            f"the exemplar has a latent of {exemplar.latent_w.shape} and "
            f"{_size(exemplar.label_map)} pixels; this generator wants {latent_shape} and "
            f"{size_px[1]} x {size_px[0]}. Label again.",
            code="exemplar-generator",
        )


@contextmanager
def naming(what: Path | str) -> Iterator[None]:
    """Say of which exemplar an error is, where several are given."""
    try:
        yield
    except (InputError, CheckpointError) as error:
        raise type(error)(f"{what}: {error}", code=error.code) from None


def class_colours(class_names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return an RGB colour for each class name."""
    known = classes()
    return [
        known[name].colour if name in known else SPARE_COLOURS[index % len(SPARE_COLOURS)]
        for index, name in enumerate(class_names)
    ]


def display_image(image: np.ndarray) -> np.ndarray:
    """Return a scan (H, W, C), uint8 or uint16, as RGB (H, W, 3) uint8 to look at.

    A dual-energy scan is pseudo-coloured, as `xraysynth generate` shows it.
    """
    return displayable(image[None])[0]


def _size(array: np.ndarray) -> str:
    """Return "width x height" of an array of rows."""
    return f"{array.shape[1]} x {array.shape[0]}"
