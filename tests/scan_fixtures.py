"""Tiny scans and data sets, written in the exact on-disk forms of public ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from xraysynth.scanfile import open_scans
from xraysynth.scans import PrepareConfig, PrepareSummary, prepare

WIDTH, HEIGHT = 40, 20


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return (row, col, 3) uint8: a white belt with a bag that differs from seed to seed."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[4 : height - 4, 6 : width - 6] = (200 - seed % 100, 120 + seed % 100, 60)
    return image


def save(path: Path, image: np.ndarray | None = None, seed: int = 0) -> Path:
    """Write an image, by default a picture of a bag; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture(seed) if image is None else image
    Image.fromarray(pixels).save(path)
    return path


def save_text(path: Path, text: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def save_json(path: Path, value: Any) -> Path:
    """Write a JSON file."""
    return save_text(path, json.dumps(value))


def voc_xml(
    boxes: Sequence[tuple[str, float, float, float, float]], size: tuple[int, int] = (WIDTH, HEIGHT)
) -> str:
    """Return a VOC annotation as SIXray writes it."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x_min}</xmin>"
        f"<ymin>{y_min}</ymin><xmax>{x_max}</xmax><ymax>{y_max}</ymax></bndbox></object>"
        for name, x_min, y_min, x_max, y_max in boxes
    )
    width, height = size
    return (
        "<annotation><folder>X_ray</folder><filename>P00004.jpg</filename>"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        f"<segmented>0</segmented>{objects}</annotation>"
    )


def coco(
    names: Sequence[str], objects: Sequence[dict[str, Any]], categories: Sequence[str] = ("Gun",)
) -> dict[str, Any]:
    """Return a COCO document of images of the usual size; category ids count from 1."""
    return {
        "info": {},
        "images": [
            {"id": place, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for place, name in enumerate(names, start=1)
        ],
        "annotations": [{"id": place, **entry} for place, entry in enumerate(objects, start=1)],
        "categories": [{"id": place, "name": name} for place, name in enumerate(categories, 1)],
    }


def compressed_runs(runs: list[int]) -> str:
    """Return COCO's text of runs, written from its description."""
    text = ""
    for place, run in enumerate(runs):
        value = run - (runs[place - 2] if place > 2 else 0)
        more = True
        while more:
            low = value & 31
            value >>= 5
            more = value != (-1 if low & 16 else 0)
            text += chr(48 + (low | (32 if more else 0)))
    return text


def rows(path: Path, name: str) -> Any:
    """Return a whole data set of a `scans.h5`."""
    with open_scans(path) as file:
        return file[name][:]


def has(path: Path, name: str) -> bool:
    """Tell whether a `scans.h5` has a data set."""
    with h5py.File(path) as file:
        return name in file


def set_aside(path: Path) -> dict[str, str]:
    """Return the reasons in the table beside a `scans.h5`, by path."""
    with path.with_suffix(".set_aside.csv").open(encoding="utf-8", newline="") as handle:
        return {row["path"]: row["reason"] for row in csv.DictReader(handle)}


SMALL = PrepareConfig(size_px=16)


def run(source: Path, format: str, out: Path, config: PrepareConfig = SMALL) -> PrepareSummary:
    """Prepare the scans of a folder."""
    return prepare(source, format, out, config)
