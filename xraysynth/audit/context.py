"""What the report shows of the results: texts, rows, charts and pictures by name."""

from __future__ import annotations

from typing import Any

import pandas as pd

from xraysynth.audit import concerns, figures, view
from xraysynth.audit.flags import repeated
from xraysynth.audit.report import flatten, level, percent, whole
from xraysynth.audit.results import TABLES, Results

LIMITS = (
    "The masks come from the segmenter, not from a person: a report can look perfect while all "
    "masks are shifted by a pixel or name the wrong class. Look at the samples; measure with "
    "`xraysynth evaluate`.",
    "Confidence was calibrated without any truth, on how far heads that learned different parts of "
    "the exemplars agree: 0.9 means right in about nine cases of ten only as far as their errors "
    "differ. `xraysynth evaluate segmenter` measures it on simulated scans.",
    "Equal class frequencies are not realism: shapes, textures and materials may be wrong while "
    "every number here agrees with the training scans.",
    "Perceptual hashes see the coarse picture. Copies that are mirrored, shifted or partly "
    "repainted go unnoticed, and different bags with the same outline may be reported.",
    "Sizes are in pixels of these scans, not in millimetres.",
    "An object is a connected region. Touching items of one class are told apart only where the "
    "outline leaves no doubt, which is seldom; an item that another one divides is one object only "
    "where the overlaps say that it goes on beneath.",
    "Whether a detector gets better by this export only a detector tells: train one with and one "
    "without, and test both on scans that neither has seen.",
)


def report_context(results: Results, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return everything that the template names.

    Parameters
    ----------
    results : of the audit
    frames : its tables, as of `all_tables`
    """
    context: dict[str, Any] = {
        "samples": results.shards.count,
        "config": results.config,
        "with_scans": results.scans is not None,
        "with_truth": results.truth is not None,
        "limits": LIMITS,
        "tables": list(TABLES.items()),
        "facts": flatten(results.facts),
        "settings": flatten(results.config.model_dump(mode="json")),
    }
    context |= _origin(results) | _pictures(results, frames["classes.csv"])
    context |= _charts(results, frames) | concerns.duplicates(results) | concerns.flagged(results)
    context |= {"cards": _cards(results), "lead": _lead(results)}
    context["sections"] = _sections(context)
    return context


def _sections(context: dict[str, Any]) -> list[tuple[str, str]]:
    """Return anchors and titles of the sections that the report has."""
    every = {
        "numbers": "At a glance",
        "samples": "Samples",
        "beside": "Beside training" if context["beside"] else "",
        "classes": "Classes",
        "areas": "Areas",
        "objects": "Objects",
        "confidence": "Confidence",
        "places": "Places",
        "company": "Company",
        "duplicates": "Duplicates",
        "flagged": "Flagged",
        "facts": "Run" if context["facts"] else "",
        "origin": "Settings",
        "limits": "Limits",
    }
    return [(anchor, title) for anchor, title in every.items() if title]


def _lead(results: Results) -> str:
    """Return the sentence under the title."""
    height, width, channels = results.shards.shape
    manifest = results.shards.manifest
    beside = "" if results.scans is None else f", beside {results.scans.count:,} training scans"
    return (
        f"{width} × {height} pixels, {channels} channel{'s' * (channels > 1)} "
        f"({', '.join(manifest.channels)}) in {manifest.image_dtype}, seed {manifest.seed}"
        f"{beside}. Made by xraysynth {manifest.xraysynth_version}."
    )


def _cards(results: Results) -> list[dict[str, Any]]:
    """Return the headline numbers."""
    masks, count = results.generated.masks, results.shards.count
    present = int((masks.images[1:] > 0).sum())
    mean = results.generated.confidence.mean_labelled()
    flagged = results.flags["sample_index"].nunique()
    again = int(repeated(results.near).sum())
    objects = int(masks.n_objects.sum())
    cards = [
        _card("samples", whole(count), f"in {_shards(len(results.shards.manifest.shards))}"),
        _card(
            "classes that occur",
            f"{present} of {len(masks.class_names) - 1}",
            "background left out",
            present == 0,
        ),
        _card("objects", whole(objects), f"{objects / count:.1f} a sample", objects == 0),
        _card(
            "mean confidence",
            level(mean),
            "of labelled pixels",
            not mean >= results.config.min_confidence,
        ),
        *_rejected(results),
        _card("flagged", whole(flagged), f"{percent(flagged / count)} of the samples", flagged > 0),
        _card(
            "near-duplicates",
            whole(again),
            f"beyond the first of {results.near.n_groups} groups",
            again > 0,
        ),
    ]
    if results.matches is not None:
        matched = int((results.matches.nearest >= 0).sum())
        cards.append(_card("training matches", whole(matched), "perhaps memorised", matched > 0))
    return cards


def _rejected(results: Results) -> list[dict[str, Any]]:
    """Return the share of candidates that were replaced, where there was a limit."""
    manifest = results.shards.manifest
    limit, found = manifest.settings.get("min_confidence"), manifest.candidates
    if not isinstance(limit, int | float) or not limit:
        return []
    note = f"of {whole(found.drawn)} candidates, below {limit:g}"
    return [_card("rejected", percent(found.rejected_share), note)]


def _shards(count: int) -> str:
    """Return a number of shards in words."""
    return "one shard" if count == 1 else f"{count} shards"


def _card(label: str, value: str, note: str, warn: bool = False) -> dict[str, Any]:
    """Return one headline number."""
    return {"label": label, "value": value, "note": note, "warn": warn}


def _pictures(results: Results, classes: pd.DataFrame) -> dict[str, Any]:
    """Return the sample grids."""
    shards, config = results.shards, results.config
    rows = view.records(classes[classes["n_pixels"] > 0])
    legend = [row for row in rows if row["class_id"] > 0]
    examples = [
        {
            "row": row,
            "figures": [
                figures.sample_figure(shards, place, config)
                for place in results.generated.examples[row["class_id"]]
            ],
        }
        for row in legend
        if row["group"] not in ("background", "bag")
    ]
    beside = []
    if results.scans is not None and config.scans_shown:
        beside = [
            figures.scans_figure(results.scans, config, "training scans"),
            figures.scans_figure(shards, config, "generated samples"),
        ]
    return {
        "legend": legend,
        "strips": [
            figures.sample_figure(shards, place, config)
            for place in figures.spread(shards.count, config.samples_shown)
        ],
        "examples": [example for example in examples if example["figures"]],
        "beside": beside,
    }


def _charts(results: Results, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return rows and charts of the statistics."""
    classes = frames["classes.csv"]
    height, width, _ = results.shards.shape
    occurs = (classes["n_pixels"] > 0) | (classes["training_n_pixels"] > 0)
    return {
        "scan_pixels": height * width,
        "classes": view.class_rows(classes),
        "absent": list(classes.loc[~occurs, "class_name"]),
        "areas": view.size_chart(frames["mask_areas.csv"], classes, height * width),
        "objects": view.size_chart(frames["objects_summary.csv"], classes, height * width),
        "per_image": view.per_image_charts(frames["objects_per_image.csv"]),
        "confidence_charts": view.confidence_charts(frames["confidence_levels.csv"]),
        "confidence_rows": view.confidence_rows(frames["confidence.csv"], classes),
        "unit_ticks": view.UNIT_TICKS,
        "heats": figures.heat_figures(results.generated),
        "company": view.company(classes, results.generated.masks.together),
        "overlaps": view.overlap_rows(
            frames["company.csv"], int(results.generated.masks.pixels.sum())
        ),
        "distance_charts": view.distance_charts(results.distances),
    }


def _origin(results: Results) -> dict[str, Any]:
    """Return settings and hashes of the export."""
    manifest = results.shards.manifest
    named = manifest.model_dump(mode="json", exclude={"shards", "tables", "documents"})
    files: list[dict[str, Any]] = [
        {"name": shard.name, "samples": shard.samples, "sha256": shard.sha256}
        for shard in manifest.shards
    ]
    files.append(
        {
            "name": manifest.tables.name,
            "samples": manifest.samples,
            "sha256": manifest.tables.sha256,
        }
    )
    return {"export": flatten(named), "files": files}
