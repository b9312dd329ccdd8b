"""The tables behind the report: frames that go to CSV as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xraysynth.audit.duplicates import HASH_BITS, Neighbours
from xraysynth.audit.measures import Findings
from xraysynth.audit.panels import class_colours
from xraysynth.audit.statistics import QUANTILES, ConfidenceStatistics, ValueCounts
from xraysynth.files import whole_file
from xraysynth.shards.samples import group_of

IDENTITY = ["class_id", "class_name", "group", "colour"]
QUANTILE_NAMES = [f"q{round(100 * share):02d}" for share in QUANTILES]


def images_table(measures: np.ndarray) -> pd.DataFrame:
    """Return one row a sample, with the hash as 16 hexadecimal digits."""
    frame = pd.DataFrame(
        {
            name: measures[name]
            for name in measures.dtype.names or ()
            if name not in ("name", "phash")
        }
    )
    frame.insert(0, "sample_index", np.arange(len(measures)))
    frame.insert(1, "sample_id", texts(measures["name"]))
    frame["phash"] = [f"{value:016x}" for value in measures["phash"].tolist()]
    return frame


def classes_table(generated: Findings, training: Findings | None) -> pd.DataFrame:
    """Return one row a class: pixels, images and objects, beside those of the training scans.

    Columns `training_*` are empty without training masks. Classes that only the training
    scans have stand at the end, with zeros.
    """
    frame = _frequencies(generated, "")
    if training is None:
        names = [name for name in frame.columns if name not in IDENTITY]
        return frame.assign(**{f"training_{name}": np.nan for name in names})
    other = _frequencies(training, "training_")
    merged = other[IDENTITY].merge(frame, how="left").fillna(0)
    counts = {name: np.int64 for name in frame.columns if name.startswith("n_")}
    return merged.astype(counts).merge(other)[
        [*frame.columns, *(name for name in other.columns if name.startswith("training_"))]
    ]


def _frequencies(findings: Findings, prefix: str) -> pd.DataFrame:
    """Return how often each class occurs in one set of scans."""
    masks = findings.masks
    colours = class_colours(masks.class_names)
    return pd.DataFrame(
        {
            "class_id": np.arange(len(masks.class_names)),
            "class_name": masks.class_names,
            "group": [
                "background" if place == 0 else group_of(name)
                for place, name in enumerate(masks.class_names)
            ],
            "colour": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours.tolist()],
            f"{prefix}n_pixels": masks.pixels,
            f"{prefix}pixel_share": masks.share_of_pixels(),
            f"{prefix}n_images": masks.images,
            f"{prefix}image_share": masks.share_of_images(),
            f"{prefix}n_objects": masks.n_objects,
            f"{prefix}objects_per_image": masks.n_objects / max(masks.n_masks, 1),
        }
    )


def sizes_table(sets: dict[str, Findings], which: str) -> pd.DataFrame:
    """Return quantiles of sizes in pixels, one row a set of scans and class that occurs.

    Parameters
    ----------
    sets : findings by name, "generated" and perhaps "training"
    which : "areas", pixels of a class in an image that holds it; or "object_areas"
    """
    rows: list[dict[str, Any]] = []
    for name, findings in sets.items():
        sizes: list[ValueCounts] = getattr(findings.masks, which)
        for class_id, counts in enumerate(sizes):
            if counts.total:
                row = {"set": name, "class_id": class_id}
                row |= {"class_name": findings.masks.class_names[class_id], "n": counts.total}
                row |= {"mean_px": counts.mean}
                row |= {
                    f"{quantile}_px": counts.quantile(share)
                    for quantile, share in zip(QUANTILE_NAMES, QUANTILES, strict=True)
                }
                row |= {"smallest_px": min(counts.counts), "largest_px": max(counts.counts)}
                rows.append(row)
    columns = ["set", "class_id", "class_name", "n", "mean_px"]
    columns += [*(f"{name}_px" for name in QUANTILE_NAMES), "smallest_px", "largest_px"]
    return pd.DataFrame(rows, columns=columns)


def objects_per_image_table(sets: dict[str, Findings]) -> pd.DataFrame:
    """Return how many images hold each number of objects."""
    rows = [
        {"set": name, "n_objects": number, "n_images": count}
        for name, findings in sets.items()
        for number, count in sorted(findings.masks.objects_per_image.counts.items())
    ]
    return pd.DataFrame(rows, columns=["set", "n_objects", "n_images"])


def confidence_table(class_names: list[str], confidence: ConfidenceStatistics) -> pd.DataFrame:
    """Return mean and quantiles of confidence, one row a class that occurs."""
    rows: list[dict[str, Any]] = []
    for class_id, name in enumerate(class_names):
        pixels = int(confidence.counts[class_id].sum())
        if pixels:
            row: dict[str, Any] = {"class_id": class_id, "class_name": name, "n_pixels": pixels}
            row["mean"] = confidence.mean(class_id)
            for quantile, share in zip(QUANTILE_NAMES, QUANTILES, strict=True):
                row[quantile] = confidence.quantile(class_id, share)
            rows.append(row)
    columns = ["class_id", "class_name", "n_pixels", "mean", *QUANTILE_NAMES]
    return pd.DataFrame(rows, columns=columns)


def confidence_levels_table(confidence: ConfidenceStatistics) -> pd.DataFrame:
    """Return pixels at each of the 256 stored levels, background and the rest apart."""
    return pd.DataFrame(
        {
            "level": np.arange(256),
            "confidence": np.arange(256) / 255,
            "n_background": confidence.counts[0],
            "n_foreground": confidence.counts[1:].sum(axis=0),
        }
    )


def company_table(findings: Findings) -> pd.DataFrame:
    """Return how often two classes occur in one image, and are crossed by one ray."""
    names = findings.masks.class_names
    first, second = np.triu_indices(len(names), k=1)
    together = findings.masks.together[first, second]
    frame = pd.DataFrame(
        {
            "first": [names[place] for place in first],
            "second": [names[place] for place in second],
            "n_images": together,
            "share_of_first": together / np.maximum(findings.masks.images[first], 1),
            "share_of_second": together / np.maximum(findings.masks.images[second], 1),
            "n_overlap_pixels": findings.overlaps.pixels[first, second],
        }
    )
    return frame[(first > 0) & ((together > 0) | (frame["n_overlap_pixels"] > 0))]


def places_table(findings: Findings) -> pd.DataFrame:
    """Return the heat maps, one row a class that occurs and cell."""
    share = findings.masks.heat_share()
    present = np.flatnonzero(findings.masks.pixels)
    _, rows, columns = share.shape
    class_id, row, column = np.meshgrid(present, np.arange(rows), np.arange(columns), indexing="ij")
    names = np.array(findings.masks.class_names, object)
    return pd.DataFrame(
        {
            "class_name": names[class_id.ravel()],
            "row": row.ravel(),
            "column": column.ravel(),
            "image_share": share[present].ravel(),
        }
    )


def neighbours_table(
    near: Neighbours, measures: np.ndarray, others: np.ndarray, other: str
) -> pd.DataFrame:
    """Return one row a scan that has a near-duplicate.

    Parameters
    ----------
    near : as found
    measures : of the samples (N,)
    others : of the scans that `near.nearest` points to
    other : name of these in the columns, "nearest_sample" or "scan"
    """
    places = np.flatnonzero(near.nearest >= 0)
    places = places[np.argsort(near.group[places], kind="stable")]
    nearest = near.nearest[places]
    return pd.DataFrame(
        {
            "group": near.group[places],
            "sample_index": places,
            "sample_id": texts(measures["name"][places]),
            f"{other}_index": nearest,
            f"{other}_id": texts(others["name"][nearest]) if len(others) else [],
            "distance_bits": near.distance[places],
        }
    )


def distances_table(distances: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return how many scans have their nearest neighbour at each distance."""
    rows = [
        {"comparison": name, "distance_bits": distance, "n": count}
        for name, found in distances.items()
        for distance, count in enumerate(np.bincount(found, minlength=HASH_BITS + 1).tolist())
        if count
    ]
    return pd.DataFrame(rows, columns=["comparison", "distance_bits", "n"])


def texts(names: np.ndarray) -> list[str]:
    """Return fixed-length bytes as text; bytes that are none become a replacement sign."""
    return [bytes(name).decode("utf-8", "replace") for name in names]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV, always with the same bytes; the file appears only when whole."""
    with whole_file(path) as partial:
        frame.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
