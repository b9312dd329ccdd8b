"""Indexed-PNG masks: `images/NAME.*` with `masks/NAME.png`, whose pixel values are class ids.

Also VOC's `JPEGImages/` with `SegmentationClass/`. Names of the ids stand in `classes.txt`, one a
line from 0 on (0 is background), or in `classes.json`, a list or `{"name": id}`. 255 is void.
"""

from __future__ import annotations

from collections.abc import Iterator

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.record import Annotation, Reader, ScanRecord, whole_number

PAIRS = (("images", "masks"), ("JPEGImages", "SegmentationClass"))


def _pair(folder: DataFolder) -> tuple[str, str] | None:
    """Return the folders of images and masks."""
    return next((pair for pair in PAIRS if all(map(folder.has_folder, pair))), None)


def _class_names(folder: DataFolder) -> tuple[str, ...]:
    """Return the names of the ids 0, 1, 2, ..."""
    if folder.has_file("classes.txt"):
        lines = folder.text("classes.txt").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    if not folder.has_file("classes.json"):
        raise ReadError(
            "classes.txt is missing; want the names of the mask's ids there, one a line, "
            "background first."
        )
    value = folder.json("classes.json")
    if isinstance(value, list):
        return tuple(str(name) for name in value)
    if not isinstance(value, dict):
        raise ReadError("classes.json is neither a list of names nor names with their ids.")
    ids = {whole_number(place, f"the id of {name}"): str(name) for name, place in value.items()}
    if not ids or min(ids) < 0 or max(ids) > 254:
        raise ReadError("classes.json has ids outside 0 to 254.")
    return tuple(ids.get(place, f"class_{place}") for place in range(max(ids) + 1))


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    images, masks = _pair(folder) or PAIRS[0]
    names = _class_names(folder)
    mask_of = {_key(mask, masks): mask for mask in folder.files(masks)}
    for image in folder.files(images):
        mask = mask_of.pop(_key(image, images), "")
        inner = image.removeprefix(f"{images}/").split("/")
        yield ScanRecord(
            images=(image,),
            split=inner[0] if len(inner) > 1 else "train",
            annotation=Annotation(mask=mask, mask_classes=names),
            fault="" if mask else f"it has no mask in {masks}/.",
        )
    for mask in sorted(mask_of.values()):
        yield ScanRecord(images=(mask,), fault=f"it has no image in {images}/.")


def _key(path: str, top: str) -> str:
    """Return a path below `top` without suffix: the same for an image and its mask."""
    inner = path.removeprefix(f"{top}/")
    place = inner.rpartition("/")[0]
    return f"{place}/{bare_name(inner)}"


READER = Reader(
    name="indexed_png",
    layout="images/ and masks/*.png (or JPEGImages/ and SegmentationClass/)",
    looks_like=lambda folder: _pair(folder) is not None,
    read=_read,
)
