"""YOLO segmentation: `images/NAME.png`, `labels/NAME.txt` and `data.yaml`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from xraysynth.progress import Progress
from xraysynth.shards.annotated import AnnotatedSample, annotated_samples
from xraysynth.shards.outline import outline
from xraysynth.shards.png import encode_png
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.regions import Region
from xraysynth.shards.samples import object_class_ids


def write_yolo(shards: ShardSet, out: Path, progress: Progress) -> int:
    """Write all samples and return the number of objects.

    Classes are counted anew from 0, without background and bag. An object is one polygon, its
    outer outline; holes cannot be told in this format. Images are 8-bit, because YOLO loaders read
    8 bits: of 16 bits the upper 8 stay.
    """
    class_ids = object_class_ids(tuple(shards.class_names))
    places = {class_id: place for place, class_id in enumerate(class_ids)}
    for folder in ("images", "labels"):
        (out / folder).mkdir()
    names = {place: shards.class_names[class_id] for class_id, place in places.items()}
    # No `path`: relative folders are looked up beside data.yaml. Real scans belong into val.
    settings = {"train": "images", "val": "images", "names": names}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    (out / "data.yaml").write_text(text, encoding="utf-8")
    written = 0
    for number, sample in enumerate(annotated_samples(shards)):
        (out / "images" / f"{sample.name}.png").write_bytes(encode_png(eight_bits(sample.image)))
        lines = [_line(places[region.class_id], region, sample) for region in sample.regions]
        (out / "labels" / f"{sample.name}.txt").write_text("".join(lines), encoding="utf-8")
        written += len(lines)
        progress(number + 1, len(shards), "")
    return written


def eight_bits(image: np.ndarray) -> np.ndarray:
    """Return an image in 8 bits."""
    if image.dtype == np.uint8:
        return image
    upper: np.ndarray = (image >> 8).astype(np.uint8)
    return upper


def _line(place: int, region: Region, sample: AnnotatedSample) -> str:
    """Return class and polygon, coordinates as shares of width and height."""
    height, width = sample.mask.shape
    left, top = region.columns.start, region.rows.start
    points = [((x + left) / width, (y + top) / height) for x, y in outline(region.inside)]
    return " ".join([str(place), *(f"{share:.6g}" for point in points for share in point)]) + "\n"
