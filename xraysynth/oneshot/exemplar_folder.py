"""An exemplar as a folder that a person can look at, edit, or make with another tool.

`exemplar.json` is always there. The scan is named by `latent.safetensors`, or in `exemplar.json` by
`seed` and `index` as `xraysynth generate` counts. Its labels stand in one file: `label_map.png`
(indexed), or JSON of labelme or COCO (`label_files.py`). `scan.png` is there to be labelled; if it
is, it must be what the generator draws. Folders inside that hold an `exemplar.json` of their
own are further exemplars.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import safetensors.numpy
from pydantic import Field, PositiveInt

from xraysynth.errors import InputError, SettingsError
from xraysynth.files import whole_file, write_json
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.exemplar import (
    Exemplar,
    ScanNumber,
    check_class_names,
    check_exemplar_belongs,
    class_colours,
    display_image,
    naming,
)
from xraysynth.oneshot.exemplar_scan import (
    check_same_latent,
    check_same_scan,
    drawn_scan,
    numbered_latents,
    read_latent,
    read_scan,
)
from xraysynth.oneshot.label_files import check_no_labels, label_file_in, read_labels
from xraysynth.settings import Settings, settings_from_mapping


class ExemplarFile(Settings):
    """What `exemplar.json` holds."""

    version: int = Field(1, ge=1, le=1)
    """Layout of the folder."""
    classes: tuple[str, ...] = ()
    """Names of the class ids, background first; JSON label files can bring their own."""
    origin: str = "Labelled by a person."
    """Who or what labelled it, in words."""
    generator: str = ""
    """Hash of the generator; empty is whatever generator it is used with."""
    size_px: tuple[PositiveInt, PositiveInt] | None = None
    """Height and width."""
    seed: int | None = Field(None, ge=0)
    """Seed of the run of `xraysynth generate` that the scan is of."""
    index: int | None = Field(None, ge=0)
    """Number of the scan in that run."""
    truncation_psi: float = Field(1.0, ge=0, le=1)
    """Truncation of its latent."""

    @property
    def number(self) -> ScanNumber | None:
        """Which generated scan it is, if seed and index are given."""
        if self.seed is None or self.index is None:
            return None
        return ScanNumber(seed=self.seed, index=self.index, truncation_psi=self.truncation_psi)


def save_exemplar(exemplar: Exemplar, folder: Path) -> None:
    """Write an exemplar to a folder; `exemplar.json` comes last, so half of one is refused.

    Raises
    ------
    InputError
        The folder has labels in another file.
    """
    folder = Path(folder)
    check_no_labels(folder)
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
    number = exemplar.scan
    content = ExemplarFile(
        classes=exemplar.class_names,
        origin=exemplar.origin,
        generator=exemplar.generator_hash,
        size_px=(exemplar.label_map.shape[0], exemplar.label_map.shape[1]),
        seed=number.seed if number else None,
        index=number.index if number else None,
        truncation_psi=number.truncation_psi if number else 1.0,
    )
    write_json(folder / "exemplar.json", content.model_dump(exclude_none=True))


def load_exemplars(folder: Path, generator: Generator | None = None) -> list[Exemplar]:
    """Read the exemplar of a folder and those of the folders in it, by name.

    Raises
    ------
    InputError, CheckpointError
        As `load_exemplar`.
    """
    there = exemplars_in(folder) or [Path(folder)]
    return [load_exemplar(path, generator) for path in there]


def exemplars_in(folder: Path) -> list[Path]:
    """Return the folder if it is an exemplar, and the exemplars in it by name."""
    own = Path(folder) / "exemplar.json"
    inner = sorted(path.parent for path in Path(folder).glob("*/exemplar.json"))
    return [own.parent, *inner] if own.exists() else inner


def load_exemplar(folder: Path, generator: Generator | None = None) -> Exemplar:
    """Read one exemplar from a folder.

    Parameters
    ----------
    folder : with `exemplar.json`, the labels, and what names the scan
    generator : draws the scan again; without it, `scan.png` and `latent.safetensors` are needed

    Raises
    ------
    InputError
        A file is missing or not what it should be; and all that `read_labels` and `check_exemplar`
        raise.
    CheckpointError
        The exemplar is of another generator.
    """
    folder = Path(folder)
    content = _read_content(folder)
    if content.classes:
        with naming(folder / "exemplar.json"):
            check_class_names(content.classes)
    latent_w = _latent(folder, content, generator)
    seen = read_scan(folder / "scan.png") if (folder / "scan.png").is_file() else None
    _check_size(folder, content, seen)
    image = drawn_scan(generator, latent_w) if generator is not None else seen
    if image is None:
        raise _missing(folder, "scan.png")
    rows, columns = content.size_px or image.shape[:2]
    labels = read_labels(label_file_in(folder), (columns, rows), content.classes)
    known_as = content.generator or _hash_of(folder, generator)
    with naming(folder):
        exemplar = Exemplar(
            latent_w=latent_w,
            label_map=labels.label_map,
            class_names=labels.class_names,
            origin=content.origin,
            generator_hash=known_as,
            image=image,
            scan=content.number,
        )
        if generator is not None:
            shape = (generator.num_ws, generator.w_dim)
            check_exemplar_belongs(exemplar, generator_hash(generator), shape, generator.size_px)
    if generator is not None:
        if content.number is not None:
            check_same_latent(folder / "latent.safetensors", latent_w, content.number, generator)
        if seen is not None:
            check_same_scan(folder / "scan.png", seen, image)
    return exemplar


def _read_content(folder: Path) -> ExemplarFile:
    """Return what `exemplar.json` says."""
    path = folder / "exemplar.json"
    if not path.is_file():
        raise _missing(folder, path.name)
    try:
        # A person may have typed it, and some editors begin a file with a byte order mark.
        return settings_from_mapping(ExemplarFile, json.loads(path.read_text(encoding="utf-8-sig")))
    except SettingsError as error:
        raise InputError(f"{path}: {error}", code="exemplar-json") from None
    except (ValueError, RecursionError) as error:  # also numbers too long, nesting too deep
        raise InputError(
            f"{path} is not readable JSON ({str(error)[:120]}); want UTF-8 text such as "
            '{"seed": 0, "index": 17}. Mend it there.',
            code="exemplar-json",
        ) from None


def _check_size(folder: Path, content: ExemplarFile, seen: np.ndarray | None) -> None:
    """Raise if `exemplar.json` gives the scan another size than it has."""
    if content.size_px and seen is not None and content.size_px != seen.shape[:2]:
        raise InputError(
            f"{folder / 'exemplar.json'}: size_px is {list(content.size_px)}; scan.png has "
            f"[height, width] {list(seen.shape[:2])}. Correct it, or leave it out.",
            code="exemplar-json",
        )


def _missing(folder: Path, name: str) -> InputError:
    """Return the error for a file that is not there."""
    return InputError(
        f"{folder} has no {name}; want a folder with exemplar.json, a label file, scan.png and "
        "latent.safetensors (or seed and index in exemplar.json).",
        code="exemplar-files",
    )


def _hash_of(folder: Path, generator: Generator | None) -> str:
    """Return the hash of the generator that an exemplar is used with."""
    if generator is None:
        raise InputError(
            f"{folder / 'exemplar.json'} does not say which generator it is of; give its hash as "
            "`generator`.",
            code="exemplar-json",
        )
    return generator_hash(generator)


def _latent(folder: Path, content: ExemplarFile, generator: Generator | None) -> np.ndarray:
    """Return `latent_w` (num_ws, w_dim) float32, from its file or from seed and index."""
    path = folder / "latent.safetensors"
    if path.is_file():
        return read_latent(path)
    number = content.number
    if number is None:
        raise InputError(
            f"{folder} has no latent.safetensors and exemplar.json no `seed` and `index`, so the "
            "scan is not known; give those that `xraysynth generate` made it with.",
            code="exemplar-latent",
        )
    if generator is None:
        raise _missing(folder, path.name)
    return numbered_latents(generator, number.seed, [number.index], number.truncation_psi)[0]
