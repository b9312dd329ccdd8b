"""Command `evaluate`: figures on how good something is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xraysynth.cli.console import say, show_json, show_table, watched
from xraysynth.cli.parser import Parser, add_command, add_json, add_out, add_seed, add_settings

SEGMENTER = (
    "xraysynth evaluate segmenter runs/quickstart/shards "
    "--scans runs/quickstart/scans.h5 --out scores.json"
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command and the kinds of evaluation."""
    parser = commands.add_parser(
        "evaluate",
        help="Measure how good a segmenter's masks are",
        description="Measure how good something is.",
        epilog=f"example:\n  {SEGMENTER}",
    )
    kinds = parser.add_subparsers(title="what", metavar="WHAT", required=True, parser_class=Parser)
    _add_segmenter(kinds)


def _add_segmenter(kinds: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        kinds,
        "segmenter",
        segmenter,
        help="Score exported masks against a network that learned exact masks",
        example=SEGMENTER,
    )
    parser.add_argument("shards", type=Path, metavar="DIR", help="folder of an export")
    parser.add_argument(
        "--scans", type=Path, required=True, metavar="SCANS.h5", help="simulated scans, with masks"
    )
    add_out(parser, "JSON file to write")
    add_seed(parser)
    add_settings(parser)
    add_json(parser)


def segmenter(arguments: argparse.Namespace) -> int:
    """Score masks."""
    from xraysynth.evaluate.oracle import OracleConfig
    from xraysynth.evaluate.segmenter import evaluate_segmenter
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    config = settings_from_mapping(OracleConfig, with_overrides({}, arguments.set))
    with watched("evaluate") as progress:
        report = evaluate_segmenter(
            arguments.shards, arguments.scans, config, arguments.seed, arguments.out, progress
        )
    if arguments.json:
        show_json(report)
        return 0
    show_table(score_rows(report))
    say(f"scores: {arguments.out}")
    return 0


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


def _figure(value: float | None) -> str:
    """Return a score to three places."""
    return "-" if value is None else f"{value:.3f}"
