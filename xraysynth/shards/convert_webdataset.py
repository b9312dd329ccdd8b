"""WebDataset: one tar a shard; a sample is its files of one name."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.progress import Progress
from xraysynth.shards.annotated import AnnotatedSample, annotated_samples, box
from xraysynth.shards.png import encode_png
from xraysynth.shards.reader import ShardSet


def write_webdataset(shards: ShardSet, out: Path, progress: Progress) -> int:
    """Write all samples and return the number of objects.

    Of each sample: `png` (16 bits stay 16), `mask.png`, `confidence.png`, `overlaps.npy` (uint32)
    and `json` with metadata and objects. Headers hold no time and no owner.
    """
    samples = annotated_samples(shards)
    written = done = 0
    for shard in shards.manifest.shards:
        with tarfile.open(
            out / f"{Path(shard.name).stem}.tar", "w", format=tarfile.USTAR_FORMAT
        ) as tar:
            for sample in islice(samples, shard.samples):
                for ending, content in _files(sample, shards.class_names):
                    header = tarfile.TarInfo(f"{sample.name}.{ending}")
                    header.size = len(content)
                    tar.addfile(header, io.BytesIO(content))
                written += len(sample.regions)
                done += 1
                progress(done, len(shards), "")
    return written


def _files(sample: AnnotatedSample, class_names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a sample by their endings."""
    objects: list[dict[str, Any]] = [
        {
            "class_id": region.class_id,
            "class_name": class_names[region.class_id],
            "bbox": box(region),
            "area": int(region.inside.sum()),
            "score": sample.score(region),
        }
        for region in sample.regions
    ]
    description = {**sample.metadata, "objects": objects}
    yield "png", encode_png(sample.image)
    yield "mask.png", encode_png(sample.mask)
    yield "confidence.png", encode_png(sample.confidence)
    yield "overlaps.npy", _npy(sample.overlap)
    yield "json", (json.dumps(description, sort_keys=True) + "\n").encode()


def _npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of a `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
