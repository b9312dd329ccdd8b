"""What the template shows: rows and charts, computed here so that the template only places them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from xraysynth.audit.report import box, histogram, linear_box, percent, pixels, whole
from xraysynth.audit.tables import QUANTILE_NAMES
from xraysynth.shards.samples import LEFT_OUT_GROUPS, group_of

PIXEL_NAMES = [f"{name}_px" for name in QUANTILE_NAMES]
UNIT_TICKS = [{"place": 25 * step, "label": f"{step / 4:g}"} for step in range(5)]
CONFIDENCE_BARS = 32
COLUMNS = (
    ("pixel_share", percent),
    ("image_share", percent),
    ("objects_per_image", lambda value: "–" if math.isnan(value) else f"{value:.2f}"),
)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def class_rows(classes: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the class frequencies: those that occur anywhere.

    Bars are relative to the largest value of their column among items: background and bag would
    press them to nothing, and get no bar.
    """
    shown = classes[(classes["n_pixels"] > 0) | (classes["training_n_pixels"] > 0)]
    front = shown[~shown["group"].isin(LEFT_OUT_GROUPS)]
    highest = {
        name: max(
            float(front[name].max() if len(front) else 0),
            float(front[f"training_{name}"].fillna(0).max() if len(front) else 0),
            1e-12,
        )
        for name, _ in COLUMNS
    }
    rows = []
    for row in records(shown):
        row["columns"] = [_frequency(row, name, highest[name], text) for name, text in COLUMNS]
        row["n_objects_text"] = whole(row["n_objects"]) if row["n_objects"] else "–"
        row["ratio"] = _ratio(row["pixel_share"], row["training_pixel_share"])
        rows.append(row)
    return rows


def _frequency(row: Mapping[str, Any], name: str, highest: float, text: Any) -> dict[str, Any]:
    """Return one cell: texts and bars of the export and the training scans."""
    bars = row["group"] not in LEFT_OUT_GROUPS
    value, other = float(row[name]), float(row[f"training_{name}"])
    return {
        "text": text(value),
        "other_text": text(other),
        "bar": round(100 * min(value / highest, 1), 2) if bars else None,
        "other_bar": round(100 * min(np.nan_to_num(other) / highest, 1), 2),
    }


def _ratio(value: float, other: float) -> str:
    """Return how many times more there is than in training, in words if far from even."""
    if math.isnan(other):
        return "–"
    if other == 0:
        return "new" if value else "–"
    if value == 0:
        return "absent"
    ratio = value / other
    word = " (rarer)" if ratio < 0.5 else " (more)" if ratio > 2 else ""
    return f"× {ratio:.2f}{word}"


def size_chart(sizes: pd.DataFrame, classes: pd.DataFrame, scan_pixels: int) -> dict[str, Any]:
    """Return box rows on a logarithmic axis from 1 pixel to the whole scan, class by class."""
    high = float(max(scan_pixels, 2))
    look = classes.set_index("class_id")
    ordered = sizes.sort_values(["class_id", "set"], kind="stable")
    rows: list[dict[str, Any]] = []
    for row in records(ordered[ordered["class_id"] > 0]):
        row |= {name: look.at[row["class_id"], name] for name in ("colour", "group")}
        row |= {"box": box(row, PIXEL_NAMES, 1.0, high), "other": row["set"] != "generated"}
        # Below its generated row a training row needs no name of its own.
        row["named"] = not rows or rows[-1]["class_id"] != row["class_id"]
        rows.append(row)
    ends = np.log10(high)
    ticks = [
        {"place": round(100 * power / ends, 2), "label": pixels(10.0**power)}
        for power in range(int(ends) + 1)
        if power < 0.85 * ends
    ]
    return {"rows": rows, "ticks": [*ticks, {"place": 100, "label": f"{scan_pixels:,}"}]}


def per_image_charts(counts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return histograms of the number of objects in a scan, on one axis."""
    last = int(min(counts["n_objects"].max(), 40)) if len(counts) else 0
    charts = []
    for name in counts["set"].unique():
        mine = counts[counts["set"] == name]
        heights = np.bincount(
            np.minimum(mine["n_objects"], last), weights=mine["n_images"], minlength=last + 1
        )
        mean = np.average(mine["n_objects"], weights=mine["n_images"])
        charts.append(
            _chart(
                f"{name} scans",
                f"{mean:.1f} objects a scan on average, {int(mine['n_objects'].max())} at most",
                histogram(heights, [str(number) for number in range(last + 1)]),
                ("0", "", f"{last}"),
                other=name != "generated",
            )
        )
    return charts


def confidence_charts(levels: pd.DataFrame) -> list[dict[str, Any]]:
    """Return histograms of confidence, of labelled pixels and of background."""
    charts = []
    step = 256 // CONFIDENCE_BARS
    labels = [f"{place * step / 255:.2f} and up" for place in range(CONFIDENCE_BARS)]
    for title, column in (("labelled pixels", "n_foreground"), ("background", "n_background")):
        counts = levels[column].to_numpy()
        total = counts.sum()
        if not total:
            continue
        unsure = counts[levels["confidence"] < 0.5].sum() / total
        mean = float(counts @ levels["confidence"]) / total
        words = f"mean {mean:.2f}, {percent(unsure)} of the pixels below 0.5"
        bars = histogram(counts.reshape(CONFIDENCE_BARS, step).sum(axis=1), labels)
        charts.append(_chart(title, words, bars, ("0", "0.5", "1"), other=column == "n_background"))
    return charts


def confidence_rows(confidence: pd.DataFrame, classes: pd.DataFrame) -> list[dict[str, Any]]:
    """Return box rows of confidence, class by class."""
    look = classes.set_index("class_id")
    rows = []
    for row in records(confidence):
        row |= {name: look.at[row["class_id"], name] for name in ("colour", "group")}
        row["box"] = linear_box(row, QUANTILE_NAMES)
        rows.append(row)
    return rows


def distance_charts(distances: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return histograms of the distance to the nearest other scan, on one axis."""
    last = max((int(found.max(initial=0)) for found in distances.values()), default=0)
    charts = []
    for name, found in distances.items():
        if len(found):
            # Half of the bits of a hash are set, so distances are nearly always even.
            bars = histogram(
                np.bincount(found // 2, minlength=last // 2 + 1),
                [f"{bits} or {bits + 1} bits" for bits in range(0, last + 1, 2)],
            )
            words = f"median {np.median(found):.0f} bits, smallest {found.min()}"
            ends = ("0 bits", "", f"{last} bits")
            charts.append(_chart(name, words, bars, ends, other="training" in name))
    return charts


def _chart(
    title: str, words: str, bars: list[dict[str, Any]], ends: tuple[str, str, str], *, other: bool
) -> dict[str, Any]:
    """Return a histogram as the template takes it."""
    return {
        "title": title,
        "alt": words,
        "bars": bars,
        "first": ends[0],
        "middle": ends[1],
        "last": ends[2],
        "other": other,
    }


def company(classes: pd.DataFrame, together: np.ndarray) -> dict[str, Any]:
    """Return the matrix of company: of the scans with the row's class, percent with the column's.

    Background and bag are everywhere and left out.
    """
    present = [
        row
        for row in records(classes)
        if row["n_images"] > 0 and row["group"] not in LEFT_OUT_GROUPS
    ]
    rows = []
    for row in present:
        cells = [
            None
            if row["class_id"] == column["class_id"]
            else 100 * float(together[row["class_id"], column["class_id"]]) / row["n_images"]
            for column in present
        ]
        rows.append({**row, "cells": cells})
    return {"names": present, "rows": rows}


def overlap_rows(pairs: pd.DataFrame, n_pixels: int, wanted: int = 12) -> list[dict[str, Any]]:
    """Return the pairs of item classes that share most pixels; every item lies over the bag."""
    items = ~pairs[["first", "second"]].map(lambda name: group_of(name) in LEFT_OUT_GROUPS)
    shared = pairs[(pairs["n_overlap_pixels"] > 0) & items.all(axis=1)]
    top = shared.sort_values("n_overlap_pixels", ascending=False, kind="stable").head(wanted)
    return [
        {
            "first": row["first"],
            "second": row["second"],
            "n": row["n_overlap_pixels"],
            "share": row["n_overlap_pixels"] / n_pixels,
        }
        for row in records(top)
    ]
