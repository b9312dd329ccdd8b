"""`tables.h5`: images, objects and classes of all shards, for pandas."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from xraysynth import hdf5, schema
from xraysynth.progress import Progress, silent
from xraysynth.shards import compound, shardfile
from xraysynth.shards.regions import object_rows
from xraysynth.shards.samples import ExportInfo, ShardSamples, group_of

NAMES = ("images", "objects", "classes")
OTHER_COLOURS = ((230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180))
"""For classes that are not ours, in turn; told apart by the colour-blind less well than ours."""


@dataclass
class ClassCounts:
    """Sums over samples that the table `classes` is made of."""

    info: ExportInfo
    n_pixels: np.ndarray = field(init=False)
    n_images: np.ndarray = field(init=False)
    n_instances: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.info.class_names)
        self.n_pixels, self.n_images, self.n_instances = np.zeros((3, size), np.int64)

    def add(self, samples: ShardSamples, objects: np.ndarray) -> None:
        """Count some samples and their rows of table `objects`."""
        size = len(self.info.class_names)
        for mask in samples.masks:
            pixels = np.bincount(mask.ravel(), minlength=size)
            self.n_pixels += pixels
            self.n_images += pixels > 0
        self.n_instances += np.bincount(objects["class_id"], minlength=size)

    def merge(self, other: ClassCounts) -> None:
        """Add the counts of other samples."""
        self.n_pixels += other.n_pixels
        self.n_images += other.n_images
        self.n_instances += other.n_instances

    def rows(self) -> np.ndarray:
        """Return the table `classes`."""
        names = self.info.class_names
        rows = np.zeros(len(names), schema.table_dtype("classes"))
        rows["class_id"] = np.arange(len(names))
        rows["class_name"] = [name.encode() for name in names]
        rows["group"] = [group_of(name).encode() for name in names]
        rows["colour"] = [hex_colour(name, number) for number, name in enumerate(names)]
        rows["n_pixels"], rows["n_images"] = self.n_pixels, self.n_images
        rows["n_instances"] = self.n_instances
        rows["pixel_share"] = self.n_pixels / max(int(self.n_pixels.sum()), 1)
        return rows


def hex_colour(class_name: str, class_id: int) -> bytes:
    """Return the colour of a class for overlays.

    Examples
    --------
    >>> hex_colour("gun", 6)
    b'#d50000'
    """
    known = schema.classes().get(class_name)
    colour = known.colour if known else OTHER_COLOURS[class_id % len(OTHER_COLOURS)]
    return "#{:02x}{:02x}{:02x}".format(*colour).encode()


def write_tables(
    path: Path, shards: list[Path], info: ExportInfo, progress: Progress = silent
) -> np.ndarray:
    """Write the tables of some shards and return the table `classes`.

    Memory does not grow with the number of samples; the same shards give the same bytes.
    """
    counts = ClassCounts(info)
    with compound.create_tables_file(path) as file:
        tables = {name: compound.create_table(file, name, name) for name in NAMES}
        for number, shard in enumerate(shards):
            with hdf5.open_hdf5(shard, shardfile.KIND) as source:
                _append_shard(tables, source, counts)
            progress(number + 1, len(shards), f"tables of {shard.name}")
        rows = counts.rows()
        compound.append_rows(tables["classes"], rows)
        schema.validate("classes", rows)
    return rows


def _append_shard(tables: dict[str, h5py.Dataset], source: h5py.File, counts: ClassCounts) -> None:
    """Append the rows of one shard."""
    info = counts.info
    for samples in shardfile.walk_samples(source):
        objects = object_rows(samples, info.class_names, info.describe)
        counts.add(samples, objects)
        compound.append_rows(tables["images"], samples.metadata)
        compound.append_rows(tables["objects"], objects)
