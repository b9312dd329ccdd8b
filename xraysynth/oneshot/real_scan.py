"""An exemplar from the user's own labelled real scan: found again in the generator, by inversion.

The scan and its labels are brought to the generator's size alike, as `xraysynth prepare` does; then
the code of W+ is searched with which the generator draws it (`gan/inversion.py`). The segmenter
reads the hidden features of that drawing, while the labels were painted on the real scan: where the
two differ, the labels lie. So every exemplar comes with a sentence that says how much they differ,
and a warning where it is too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from xraysynth.errors import InputError, ReadError
from xraysynth.files import whole_file, write_json
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.gan.inversion import Inversion, InversionConfig, invert
from xraysynth.oneshot.exemplar import Exemplar, display_image, naming
from xraysynth.oneshot.exemplar_folder import save_exemplar
from xraysynth.oneshot.label_files import Labels, read_labels
from xraysynth.progress import Progress, silent
from xraysynth.scans.decode import decode
from xraysynth.scans.letterbox import letterbox, to_integers
from xraysynth.scans.masks import letterbox_labels
from xraysynth.scans.single import MAX_FILE_BYTES, with_channels

INVERSION = "inversion.json"
"""File beside an exemplar that an inversion made."""
MAX_PIXELS = 64_000_000
"""A larger scan is refused before it is unpacked."""
BAD_RELATIVE_ERROR, DOUBTFUL_RELATIVE_ERROR = 0.5, 0.3
"""From here on a scan counts as badly inverted, in shares of the error of the mean picture."""
BAD_CLASS_ERROR, DOUBTFUL_CLASS_ERROR = 0.2, 0.12
"""From here on the region of a class counts as drawn otherwise, in shares of full scale. By eye, on
simulated trays: above 0.2 items are missing, below 0.12 they are where they were labelled."""


@dataclass(frozen=True, kw_only=True)
class RealScan:
    """A labelled real scan at the generator's size."""

    image: np.ndarray
    """(H, W, C) uint8 or uint16."""
    labels: Labels
    """At the same size."""


@dataclass(frozen=True, kw_only=True)
class InvertedScan:
    """An exemplar found for a real scan, and how well."""

    exemplar: Exemplar
    """Its image is what the generator draws; its labels are those of the real scan."""
    real: np.ndarray
    """(H, W, C), the real scan at the generator's size."""
    error: float
    """Root mean square difference of both, in shares of full scale."""
    relative_error: float
    """`error` over that of the generator's mean picture: 1 says that nothing was found."""
    class_errors: dict[str, float]
    """The error within the region of each class."""

    def drawn_otherwise(self, limit: float = BAD_CLASS_ERROR) -> tuple[str, ...]:
        """Return classes in whose region the error reaches a limit."""
        return tuple(name for name, error in self.class_errors.items() if error >= limit)

    @property
    def is_bad(self) -> bool:
        """Whether the labels cannot be trusted on what the generator draws."""
        return self.relative_error >= BAD_RELATIVE_ERROR or bool(self.drawn_otherwise())

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        return {
            "error": round(self.error, 6),
            "error_over_that_of_the_mean_picture": round(self.relative_error, 6),
            "error_by_class": self.class_errors,
            "bad": self.is_bad,
            "in_words": self.in_words(),
        }

    def in_words(self) -> str:
        """Return how well it was inverted, in sentences for a person."""
        sentence = (
            f"The generator draws this scan with an error of {self.error:.1%} of full scale, "
            f"{self.relative_error:.0%} of that of its mean picture."
        )
        if self.relative_error >= BAD_RELATIVE_ERROR:
            return (
                f"{sentence} That is bad: it hardly knows such scans, and labels painted on this "
                "one do not fit what it draws. Train it longer on scans like this, raise "
                "`inversion.steps`, or label a generated scan (xraysynth annotate)."
            )
        if missed := self.drawn_otherwise():
            return (
                f"{sentence} Bad within {', '.join(missed)}: it draws something else there, and "
                "what is learned of it will be wrong. Compare real.png with scan.png."
            )
        doubtful = self.drawn_otherwise(DOUBTFUL_CLASS_ERROR)
        if doubtful or self.relative_error >= DOUBTFUL_RELATIVE_ERROR:
            where = f" within {', '.join(doubtful)}" if doubtful else ""
            return f"{sentence} Doubtful{where}: compare real.png with scan.png."
        return f"{sentence} Labels painted on the scan fit what it draws."


def read_real_scan(
    scan: Path,
    labels: Path,
    generator: Generator,
    class_names: Sequence[str] = (),
) -> RealScan:
    """Read a scan and its label file, and bring both to the generator's size.

    Parameters
    ----------
    scan : a PNG, JPEG, BMP or TIFF of any size
    labels : labelme, COCO or indexed PNG, made at the scan's own size
    class_names : background first; needed for a PNG, JSON can bring its own

    Raises
    ------
    InputError
        What `read_labels` raises; a scan that cannot be read or does not fit the generator's
        channels; a class that vanishes at the generator's size.
    """
    image = _read(scan, generator)
    size_px = (image.shape[1], image.shape[0])
    found = read_labels(labels, size_px, class_names, scan.name)
    height, width = generator.size_px
    framed, content = letterbox(image, width, height)
    label_map = letterbox_labels(found.label_map, (height, width), content)
    for class_id, name in enumerate(found.class_names):
        if not (label_map == class_id).any() and (found.label_map == class_id).any():
            raise InputError(
                f"{labels}: {name!r} vanishes when the scan of {size_px[0]} x {size_px[1]} pixels "
                f"shrinks to the generator's {width} x {height}; take a generator of larger scans, "
                "or take the class out.",
                code="exemplar-empty",
            )
    bits = generator.config.pixel_bits
    return RealScan(
        image=to_integers(framed, image.dtype.itemsize * 8, bits),
        labels=Labels(label_map=label_map, class_names=found.class_names),
    )


def inverted_exemplars(  # noqa: PLR0913 (what command and pipeline name)
    generator: Generator,
    scans: Sequence[tuple[Path, Path]],
    config: InversionConfig,
    seed: int,
    *,
    class_names: Sequence[str] = (),
    progress: Progress = silent,
) -> list[InvertedScan]:
    """Return an exemplar for each labelled real scan.

    Parameters
    ----------
    scans : pairs of a scan's file and its label file
    config : how they are inverted
    seed : of the samples that the search starts from
    class_names : as for `read_real_scan`

    Raises
    ------
    InputError
        What `read_real_scan` and `Exemplar` raise.
    """
    if not scans:
        raise InputError("no labelled scan was given; want at least one scan and its label file.")
    read = [read_real_scan(scan, labels, generator, class_names) for scan, labels in scans]
    files = [labels for _, labels in scans]
    _check_shown(read, files, class_names)
    read = [replace(one, labels=_shown(one.labels)) for one in read]
    for one, labels in zip(read, files, strict=True):
        # A fault in the labels is told before minutes of inversion are spent.
        with naming(labels):
            _exemplar(generator, one, one.image, np.zeros((1, 1)), "")
    found = invert(generator, np.stack([one.image for one in read]), config, seed, progress)
    return [
        _judged(generator, one, found, row, scan.name)
        for row, (one, (scan, _)) in enumerate(zip(read, scans, strict=True))
    ]


def _check_shown(
    read: Sequence[RealScan], files: Sequence[Path], class_names: Sequence[str]
) -> None:
    """Raise unless every class that was given is labelled in one of the scans at least."""
    shown = {name for one in read for name in _shown(one.labels).class_names}
    for name in class_names:
        if name not in shown:
            raise InputError(
                f"no pixel is labelled {name!r} in {', '.join(map(str, files))}; label some, or "
                "take it out of the classes given.",
                code="exemplar-empty",
            )


def _shown(labels: Labels) -> Labels:
    """Return labels without the classes that no pixel is of; the background stays.

    Scans show different things, and a lesson joins their classes by name.
    """
    ids = np.union1d([0], np.unique(labels.label_map))
    return Labels(
        label_map=np.searchsorted(ids, labels.label_map).astype(np.uint8),
        class_names=tuple(labels.class_names[class_id] for class_id in ids),
    )


def _judged(
    generator: Generator, real: RealScan, found: Inversion, row: int, name: str
) -> InvertedScan:
    """Return the exemplar of one inverted scan, and how well it was inverted."""
    error, relative = float(found.error[row]), float(found.relative_error[row])
    origin = (
        f"A person's labels of the real scan {name}, inverted into the generator with an error of "
        f"{error:.1%} of full scale ({relative:.0%} of its mean picture's)."
    )
    drawn = found.images[row]
    exemplar = _exemplar(generator, real, drawn, found.latent_w_plus[row], origin)
    return InvertedScan(
        exemplar=exemplar,
        real=real.image,
        error=error,
        relative_error=relative,
        class_errors=_class_errors(real, drawn),
    )


def _exemplar(
    generator: Generator, real: RealScan, drawn: np.ndarray, latent_w: np.ndarray, origin: str
) -> Exemplar:
    """Return the exemplar; it checks itself."""
    return Exemplar(
        latent_w=latent_w.astype(np.float32),
        label_map=real.labels.label_map,
        class_names=real.labels.class_names,
        origin=origin,
        generator_hash=generator_hash(generator),
        image=drawn,
    )


def _class_errors(real: RealScan, drawn: np.ndarray) -> dict[str, float]:
    """Return the root mean square difference within each class, in shares of full scale."""
    top = float(np.iinfo(drawn.dtype).max)
    square = np.square((real.image.astype(np.float64) - drawn) / top).mean(2)
    return {
        name: round(float(np.sqrt(square[real.labels.label_map == class_id].mean())), 6)
        for class_id, name in enumerate(real.labels.class_names)
    }


def _read(path: Path, generator: Generator) -> np.ndarray:
    """Return the pixels of a scan with the generator's channels, or say what is wrong with it."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ReadError("it is larger than 1 GiB.")
        return with_channels(decode(path.read_bytes(), MAX_PIXELS), generator.image_channels)
    except ReadError as error:
        raise InputError(
            f"{path} cannot be inverted: {error} Want a scan as the generator learned from, "
            f"{generator.image_channels} channels.",
            code="exemplar-files",
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); want the picture of a scan.",
            code="exemplar-files",
        ) from None


def save_inverted(found: InvertedScan, folder: Path) -> None:
    """Write the exemplar, the real scan beside it (`real.png`), and the errors in numbers."""
    with whole_file(folder / "real.png") as partial:
        PIL.Image.fromarray(display_image(found.real)).save(partial, format="PNG")
    write_json(folder / INVERSION, found.as_json())
    save_exemplar(found.exemplar, folder)
