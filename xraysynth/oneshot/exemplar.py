"""The exemplar: the one labelled scan, as a folder that a person can look at and edit.

`exemplar.json` (class names, origin, generator), `label_map.png` (indexed, class colours),
`scan.png` (to look at), `latent.safetensors` (`latent_w`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import safetensors
import safetensors.numpy
from pydantic import Field

from xraysynth.errors import CheckpointError, InputError, SettingsError
from xraysynth.files import read_json, whole_file, write_json
from xraysynth.schema import MAX_CLASSES, classes
from xraysynth.settings import Settings, settings_from_mapping

SPARE_COLOURS = ((0, 158, 115), (0, 0, 0), (240, 228, 66), (204, 0, 204), (213, 0, 0))
"""For classes that `data_schema/classes.yaml` does not know, in turn."""


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

    def __post_init__(self) -> None:
        check_exemplar(self)

    @property
    def exemplar_id(self) -> str:
        """16 hexadecimal digits over latent, labels and class names."""
        digest = hashlib.sha256("\x1f".join(self.class_names).encode())
        digest.update(np.ascontiguousarray(self.latent_w, dtype="<f4").tobytes())
        digest.update(np.ascontiguousarray(self.label_map).tobytes())
        return digest.hexdigest()[:16]


class ExemplarFile(Settings):
    """What `exemplar.json` holds."""

    version: int = Field(1, ge=1, le=1)
    """Layout of the folder."""
    classes: tuple[str, ...]
    """Names of the ids in `label_map.png`."""
    origin: str
    """Who or what labelled it, in words."""
    generator: str
    """Hash of the generator."""
    size_px: tuple[int, int]
    """Height and width."""


def check_exemplar(exemplar: Exemplar) -> None:
    """Check an exemplar by itself.

    Raises
    ------
    InputError
        Sizes differ, an id has no name, a class has no pixel, too many or repeated classes.
    """
    names, labels = exemplar.class_names, exemplar.label_map
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) != len(names):
        raise InputError(
            f"the exemplar has the classes {list(names)}; want 2 to {MAX_CLASSES} different names.",
            code="exemplar-classes",
        )
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
            f"({', '.join(names)}). Add the class to exemplar.json or repaint those pixels.",
            code="exemplar-class",
        )
    missing = sorted(set(range(len(names))) - set(found.tolist()))
    if missing:
        raise InputError(
            f"the label map has no pixel of class {names[missing[0]]!r}; label some, or take the "
            "class out of exemplar.json.",
            code="exemplar-empty",
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


def class_colours(class_names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return an RGB colour for each class name."""
    known = classes()
    return [
        known[name].colour if name in known else SPARE_COLOURS[index % len(SPARE_COLOURS)]
        for index, name in enumerate(class_names)
    ]


def display_image(image: np.ndarray) -> np.ndarray:
    """Return a scan (H, W, C), uint8 or uint16, as RGB (H, W, 3) uint8 to look at.

    A dual-energy scan shows its low energy in grey.
    """
    eight = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    return eight if eight.shape[2] == 3 else np.repeat(eight[:, :, :1], 3, axis=2)


def save_exemplar(exemplar: Exemplar, folder: Path) -> None:
    """Write an exemplar to a folder; `exemplar.json` comes last, so half of one is refused."""
    folder = Path(folder)
    (folder / "exemplar.json").unlink(missing_ok=True)
    label_map = PIL.Image.fromarray(exemplar.label_map)
    label_map.putpalette(
        [value for colour in class_colours(exemplar.class_names) for value in colour]
    )
    with whole_file(folder / "label_map.png") as partial:
        label_map.save(partial, format="PNG")
    with whole_file(folder / "scan.png") as partial:
        PIL.Image.fromarray(display_image(exemplar.image)).save(partial, format="PNG")
    with whole_file(folder / "latent.safetensors") as partial:
        latent = np.ascontiguousarray(exemplar.latent_w, dtype=np.float32)
        partial.write_bytes(safetensors.numpy.save({"latent_w": latent}))
    content = ExemplarFile(
        classes=exemplar.class_names,
        origin=exemplar.origin,
        generator=exemplar.generator_hash,
        size_px=(exemplar.label_map.shape[0], exemplar.label_map.shape[1]),
    )
    write_json(folder / "exemplar.json", content.model_dump())


def load_exemplar(folder: Path) -> Exemplar:
    """Read an exemplar from a folder.

    Raises
    ------
    InputError
        A file is missing or not what it should be; and all that `check_exemplar` raises.
    """
    folder = Path(folder)
    for name in ("exemplar.json", "label_map.png", "scan.png", "latent.safetensors"):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} has no {name}; want a folder with exemplar.json, label_map.png, "
                "scan.png and latent.safetensors.",
                code="exemplar-files",
            )
    try:
        content = settings_from_mapping(ExemplarFile, read_json(folder / "exemplar.json"))
    except SettingsError as error:
        raise InputError(f"{folder / 'exemplar.json'}: {error}", code="exemplar-json") from None
    label_map = _read_label_map(folder / "label_map.png")
    if label_map.shape != content.size_px:
        raise InputError(
            f"{folder / 'label_map.png'} is {_size(label_map)} pixels; exemplar.json wants "
            f"{content.size_px[1]} x {content.size_px[0]}. Label the scan at its own size.",
            code="exemplar-size",
        )
    return Exemplar(
        latent_w=_read_latent(folder / "latent.safetensors"),
        label_map=label_map,
        class_names=content.classes,
        origin=content.origin,
        generator_hash=content.generator,
        image=np.asarray(_open_png(folder / "scan.png").convert("RGB")),
    )


def _open_png(path: Path) -> PIL.Image.Image:
    """Return a decoded picture, or raise."""
    try:
        picture = PIL.Image.open(path)
        picture.load()
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} is not a readable picture ({error}); want a PNG. Save it again.",
            code="exemplar-files",
        ) from None
    return picture


def _read_label_map(path: Path) -> np.ndarray:
    """Return the class ids (H, W) of an indexed or grey PNG."""
    picture = _open_png(path)
    if picture.mode not in ("P", "L"):
        raise InputError(
            f"{path} has colours ({picture.mode}), not class ids; want an indexed PNG in which "
            "each value is a class id. Save it with its palette.",
            code="exemplar-class",
        )
    return np.asarray(picture, dtype=np.uint8)


def _read_latent(path: Path) -> np.ndarray:
    """Return `latent_w` (num_ws, w_dim) float32."""
    try:
        tensors = safetensors.numpy.load(path.read_bytes())
        latent = np.asarray(tensors["latent_w"], dtype=np.float32)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a latent ({error}); want `latent_w` in safetensors. Copy it again.",
            code="exemplar-files",
        ) from None
    if latent.ndim != 2 or not np.isfinite(latent).all():
        raise InputError(
            f"{path} has a latent of shape {latent.shape}; want finite (num_ws, w_dim).",
            code="exemplar-files",
        )
    return latent


def _size(array: np.ndarray) -> str:
    """Return "width x height" of an array of rows."""
    return f"{array.shape[1]} x {array.shape[0]}"
