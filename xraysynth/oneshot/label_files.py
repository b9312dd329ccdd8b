"""Labels of one generated scan from the file of another tool: labelme, COCO or an indexed PNG.

Everything that a person can get wrong becomes one sentence with a code of
`data_schema/checks.yaml`: another size, an unknown class, a region outside the scan, no region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xraysynth.errors import InputError, ReadError
from xraysynth.oneshot.exemplar import BACKGROUND, check_class_names, naming
from xraysynth.oneshot.label_outlines import check_size, coco_annotation, labelme_annotation
from xraysynth.scans.decode import decode_indices
from xraysynth.scans.masks import VOID, label_map, region_of
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Annotation, Outline
from xraysynth.settings import nearest

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 2**26
"""A larger picture in an exemplar's folder is refused before it is unpacked."""
OWN_FILES = (
    *("exemplar.json", "annotate.json", "inversion.json", "coverage.json"),
    *("scan.png", "real.png"),
)
"""Files of an exemplar's folder that are no labels."""
LABEL_MAP = "label_map.png"
"""The labels of an exemplar that was saved here."""
OVERSHOOT_PX = 1.0
"""Tools place a corner at the border a little outside; more is a mistake."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a label file says."""

    label_map: np.ndarray
    """(H, W) uint8: ids that index `class_names`."""
    class_names: tuple[str, ...]
    """Names of the ids, background first."""


def label_file_in(folder: Path) -> Path:
    """Return the one label file of an exemplar's folder.

    Raises
    ------
    InputError
        There is none, or more than one.
    """
    found = _label_files(folder)
    if len(found) == 1:
        return found[0]
    what = f"the label files {', '.join(path.name for path in found)}" if found else "no label file"
    todo = "keep one of them" if found else "label scan.png"
    raise InputError(
        f"{folder} has {what}; want one: label_map.png (indexed), or JSON of labelme or COCO: "
        f"{todo}.",
        code="exemplar-files",
    )


def check_no_labels(folder: Path) -> None:
    """Check that an exemplar can be written to a folder without touching a person's labels.

    Raises
    ------
    InputError
        There is a label file beside `label_map.png`: there would be two.
    """
    found = [path.name for path in _label_files(folder) if path.name != LABEL_MAP]
    if found:
        raise InputError(
            f"{folder} has labels in {', '.join(found)}; choose another folder.",
            code="exemplar-files",
        )


def _label_files(folder: Path) -> list[Path]:
    """Return what may be labels in an exemplar's folder, by name."""
    if not Path(folder).is_dir():
        return []
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in (".json", ".png")
        and path.name not in OWN_FILES
        and not path.name.startswith(".")
    )


def read_labels(
    path: Path,
    size_px: tuple[int, int],
    class_names: Sequence[str],
    scan_name: str = "scan.png",
) -> Labels:
    """Return the labels in a file.

    Parameters
    ----------
    path : `.png` (indexed or grey, 255 is void) or `.json` (labelme or COCO)
    size_px : width and height of the scan
    class_names : background first; empty takes the names as the JSON file brings them
    scan_name : file name of the scan, for a COCO file about several

    Raises
    ------
    InputError
        With one of the codes `exemplar-*`; the message names the file.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise InputError(
            f"{path} {what}; want the label file of {scan_name}: JSON of labelme or COCO, or an "
            "indexed PNG.",
            code="exemplar-files",
        )
    folder = DataFolder(path.parent)
    try:
        if path.suffix.lower() == ".png":
            return _from_png(folder, path, size_px, class_names)
        return _from_json(folder, path, size_px, (class_names, scan_name))
    except ReadError as error:
        raise InputError(
            f"{path} cannot be used: {str(error).rstrip('.')}. Export it again.",
            code="exemplar-files",
        ) from None


def _from_png(
    folder: DataFolder, path: Path, size_px: tuple[int, int], class_names: Sequence[str]
) -> Labels:
    """Return the class ids of an indexed or grey PNG."""
    data = folder.data(path.name, MAX_BYTES)
    try:
        ids = decode_indices(data, MAX_PIXELS, ("PNG",))
    except ReadError as error:
        if "mode" not in str(error):
            raise
        raise InputError(
            f"{path} has colours, not class ids; want an indexed PNG in which each value is a "
            "class id. Save it with its palette.",
            code="exemplar-class",
        ) from None
    check_size(path, (ids.shape[1], ids.shape[0]), size_px)
    if not class_names:
        raise InputError(
            f"{path} has class ids without names; name them, background first: --classes "
            'background,knife, or "classes": ["background", "knife"] in exemplar.json.',
            code="exemplar-classes",
        )
    with naming(path):
        check_class_names(class_names)
    ids = np.where(ids == VOID, 0, ids)
    if ids.max() >= len(class_names):
        raise InputError(
            f"{path}: the label map holds class id {ids.max()}; want 0 to {len(class_names) - 1} "
            f"({', '.join(class_names)}). Name that class too, or repaint those pixels.",
            code="exemplar-class",
        )
    return Labels(label_map=ids.astype(np.uint8), class_names=tuple(class_names))


def _from_json(
    folder: DataFolder, path: Path, size_px: tuple[int, int], given: tuple[Sequence[str], str]
) -> Labels:
    """Return the regions of a labelme or COCO file, painted large ones first."""
    class_names, scan_name = given
    folder.data(path.name, MAX_BYTES)
    document = folder.json_mapping(path.name)
    if "shapes" in document:
        annotation = labelme_annotation(document, path)
    elif "annotations" in document:
        annotation = coco_annotation(document, path, size_px, scan_name)
    else:
        raise ReadError("it has neither `shapes` (labelme) nor `annotations` (COCO)")
    if annotation.size_px is not None:
        check_size(path, annotation.size_px, size_px)
    if not annotation.outlines:
        raise InputError(
            f"{path} holds no region; outline at least one object and save it again.",
            code="exemplar-label",
        )
    names = tuple(class_names) or _names_in(annotation)
    with naming(path):
        check_class_names(names)
    for outline in annotation.outlines:
        _check_class(path, outline.name, names)
        _check_inside(path, outline, size_px)
        _check_covers(path, outline, size_px)
    return Labels(label_map=label_map(folder, annotation, size_px, names), class_names=names)


def _names_in(annotation: Annotation) -> tuple[str, ...]:
    """Return background and the names of the outlines, in the order of the file."""
    return tuple(dict.fromkeys([BACKGROUND, *(o.name for o in annotation.outlines)]))


def _check_class(path: Path, name: str, names: Sequence[str]) -> None:
    """Raise unless a class is one of the exemplar's."""
    if name in names:
        return
    guess = nearest(name, list(names))
    hint = f"did you mean {guess!r}? " if guess else ""
    raise InputError(
        f"{path} labels {name!r}; the classes given (exemplar.json, --classes) are "
        f"{', '.join(names)}: {hint}Rename it, or add it to them.",
        code="exemplar-class",
    )


def _check_inside(path: Path, outline: Outline, size_px: tuple[int, int]) -> None:
    """Raise if a region reaches outside the scan."""
    if outline.runs and sum(outline.runs) != size_px[0] * size_px[1]:
        raise InputError(
            f"{path}: the run-length code of {outline.name!r} covers {sum(outline.runs)} pixels; "
            f"the scan has {size_px[0]} x {size_px[1]}. Label the scan at its own size.",
            code="exemplar-size",
        )
    for x, y in (corner for polygon in outline.polygons for corner in polygon):
        inside = all(
            -OVERSHOOT_PX <= place <= limit + OVERSHOOT_PX
            for place, limit in zip((x, y), size_px, strict=True)
        )
        if not inside:
            raise InputError(
                f"{path}: the region of {outline.name!r} reaches to x {x:.4g}, y {y:.4g}, outside "
                f"the scan of {size_px[0]} x {size_px[1]} pixels. Label the scan at its own size.",
                code="exemplar-outside",
            )


def _check_covers(path: Path, outline: Outline, size_px: tuple[int, int]) -> None:
    """Raise if a region has no pixel: it would vanish without a word."""
    if region_of(outline, size_px).any():
        return
    corner = next((points[0] for points in outline.polygons if points), None)
    where = f" at x {corner[0]:.4g}, y {corner[1]:.4g}" if corner else ""
    raise InputError(
        f"{path}: a region of {outline.name!r}{where} covers the centre of no pixel; outline it "
        "again, or delete it.",
        code="exemplar-label",
    )
