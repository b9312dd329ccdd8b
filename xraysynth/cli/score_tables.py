"""Reports of evaluations as rows of tables."""

from __future__ import annotations

from typing import Any


def requested_rows(report: dict[str, Any], part: str = "requested") -> list[dict[str, Any]]:
    """Return how often contents were found that were to be there, as rows of a table.

    Those asked for, or of `part` "clutter" those that latents decide on.
    """
    asked = report.get(part)
    if asked is None:
        return []
    return [
        {
            "asked for" if part == "requested" else part: name,
            "recognised": _figure(entry["recognised"]),
            "ceiling": _figure(entry["ceiling"]),
            "of ceiling": _figure(entry["of_ceiling"]),
            "false alarms": _figure(entry["false_alarms"]),
            "of real scans": _figure(entry["false_alarms_of_real"]),
        }
        for name, entry in asked["contents"].items()
    ]


def measure_rows(report: dict[str, Any], made: str = "simulated") -> list[dict[str, Any]]:
    """Return each measure as a row: made against real, and real against real."""
    return [
        {
            "measure": name,
            made: entry["made"]["mean"],
            "+-": entry["made"]["sd"],
            "real halves": entry["real_halves"]["mean"],
            "+- ": entry["real_halves"]["sd"],
            "beside": _beside(entry),
        }
        for name, entry in report["measures"].items()
    ]


def _beside(entry: dict[str, Any]) -> str:
    """Return what sets the two figures side by side."""
    if "excess" in entry:
        return f"excess {entry['excess']:.3f}"
    return "-" if entry["ratio"] is None else f"x {entry['ratio']:.3g}"


def score_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the headline of a report as rows of a table."""
    judged = {
        "exported masks, all classes": report["segmenter"],
        "exported masks, classes of the exemplar": report["segmenter_taught"],
        "the oracle itself, held-out scans": report["oracle"]["held_out_scores"],
    }
    return [
        {
            "what": what,
            "mean_iou": _figure(scores["mean_iou"]),
            "foreground wiou": _figure(scores["weighted_iou_foreground"]),
            "threats merged": _figure(scores["threats_merged"]["mean_iou"]),
        }
        for what, scores in judged.items()
    ]


def confidence_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how honest confidence is, as rows of a table."""
    return [
        {
            "confidence of": what,
            "mean": _figure(found.get("mean_confidence")),
            "right": _figure(found.get("share_right")),
            "calibration error": _figure(found["expected_calibration_error"]),
            "classes of the exemplar": _figure(
                report["confidence_taught"][what]["expected_calibration_error"]
            ),
        }
        for what, found in report["confidence"].items()
    ]


def _figure(value: float | None) -> str:
    """Return a score to three places."""
    return "-" if value is None else f"{value:.3f}"
