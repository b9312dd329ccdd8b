"""COCO: `images/NAME.png` and `annotations.json` with boxes and run-length masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from xraysynth.progress import Progress
from xraysynth.shards.annotated import AnnotatedSample, annotated_samples, box
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.outline import run_lengths
from xraysynth.shards.png import encode_png
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.regions import Region
from xraysynth.shards.samples import group_of, object_class_ids


def write_coco(shards: ShardSet, out: Path, progress: Progress) -> int:
    """Write all samples and return the number of objects.

    A category's id is its class id. Masks are uncompressed run lengths, which pycocotools reads.
    16-bit images stay 16-bit. Memory does not grow with the number of samples.
    """
    (out / "images").mkdir()
    annotations_path = out / "annotations.part"
    written = 0
    with (
        (out / "annotations.json").open("w", encoding="utf-8") as whole,
        annotations_path.open("w+", encoding="utf-8") as annotations,
    ):
        whole.write(_head(shards.manifest))
        for number, sample in enumerate(annotated_samples(shards)):
            (out / "images" / f"{sample.name}.png").write_bytes(encode_png(sample.image))
            _write_item(whole, _image(number + 1, sample), first=number == 0)
            for region in sample.regions:
                written += 1
                _write_item(
                    annotations,
                    _annotation(written, number + 1, sample, region),
                    first=written == 1,
                )
            progress(number + 1, len(shards), "")
        whole.write('],\n"annotations": [\n')
        annotations.seek(0)
        whole.writelines(annotations)
        whole.write("]}\n")
    annotations_path.unlink()
    return written


def _head(manifest: Manifest) -> str:
    """Return the JSON up to the first image."""
    info = {
        "description": "Generated baggage X-ray scans with labels; see README.md of the export",
        "version": f"{manifest.schema_version}",
        "generator_hash": manifest.generator_hash,
        "segmenter_hash": manifest.segmenter_hash,
        "settings_hash": manifest.settings_hash,
        "channels": manifest.channels,
    }
    names = tuple(manifest.classes)
    categories = [
        {"id": class_id, "name": names[class_id], "supercategory": group_of(names[class_id])}
        for class_id in object_class_ids(names)
    ]
    return (
        f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)},\n'
        '"images": [\n'
    )


def _write_item(file: IO[str], item: dict[str, Any], *, first: bool) -> None:
    """Write one entry of a JSON list, a line each."""
    file.write(("" if first else ",") + json.dumps(item) + "\n")


def _image(image_id: int, sample: AnnotatedSample) -> dict[str, Any]:
    """Return the entry of an image."""
    height, width = sample.mask.shape
    return {
        "id": image_id,
        "file_name": f"{sample.name}.png",
        "width": width,
        "height": height,
        "flagged": sample.metadata["flagged"],
    }


def _annotation(
    annotation_id: int, image_id: int, sample: AnnotatedSample, region: Region
) -> dict[str, Any]:
    """Return the entry of an object."""
    mask = np.zeros(sample.mask.shape, bool)
    mask[region.rows, region.columns] = region.inside
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": region.class_id,
        "bbox": box(region),
        "area": int(region.inside.sum()),
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
        "iscrowd": 0,
        "score": sample.score(region),
    }
