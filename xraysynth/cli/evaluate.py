"""Command `evaluate`: figures on how good something is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xraysynth.cli.console import say, show_json, show_table, watched
from xraysynth.cli.gan import add_generator
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_json,
    add_out,
    add_seed,
    add_settings,
    add_workers,
    positive,
)
from xraysynth.cli.suite import SUITE_ONLY, add_suite, suite
from xraysynth.errors import InputError

SEGMENTER = (
    "xraysynth evaluate segmenter runs/quickstart/shards "
    "--scans runs/quickstart/scans.h5 --out scores.json\n"
    "  xraysynth evaluate segmenter --suite paper --gan bundled --scans scans.h5 --out runs/oneshot"
)


SCANNER = (
    "xraysynth evaluate scanner --real ../shared/real/sixray --workers 2 --out runs/scanner.json"
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command and the kinds of evaluation."""
    parser = commands.add_parser(
        "evaluate",
        help="Measure a segmenter's masks, a generator, or how real simulated scans look",
        description="Measure how good something is.",
        epilog=f"example:\n  {SEGMENTER}",
    )
    kinds = parser.add_subparsers(title="what", metavar="WHAT", required=True, parser_class=Parser)
    _add_segmenter(kinds)
    _add_scanner(kinds)
    _add_gan(kinds)


def _add_segmenter(kinds: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        kinds,
        "segmenter",
        segmenter,
        help="Score exported masks against a network that learned exact masks",
        example=SEGMENTER,
    )
    parser.add_argument(
        "shards", type=Path, nargs="?", metavar="DIR", help="folder of an export; not for --suite"
    )
    parser.add_argument(
        "--scans", type=Path, required=True, metavar="SCANS.h5", help="simulated scans, with masks"
    )
    add_out(parser, "JSON file to write; for --suite a folder as well")
    add_suite(parser)
    add_seed(parser)
    add_settings(parser)
    add_json(parser)


def segmenter(arguments: argparse.Namespace) -> int:
    """Score masks, or compare all methods."""
    if arguments.suite is not None:
        return suite(arguments)
    if arguments.shards is None:
        raise InputError(
            "no folder of an export was given; name one, or compare methods with --suite paper."
        )
    for name in SUITE_ONLY:
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name} belongs to --suite; add --suite paper, or leave it out.")
    from xraysynth.evaluate.oracle import OracleConfig
    from xraysynth.evaluate.segmenter import evaluate_segmenter, reliability_picture
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
    say()
    show_table(confidence_rows(report))
    say(f"scores: {arguments.out}")
    say(f"reliability curves: {reliability_picture(arguments.out)}")
    return 0


def _add_measured(parser: Parser) -> None:
    """Add what both comparisons with real scans take."""
    parser.add_argument(
        "--no-network", action="store_true", help="leave out figures on EfficientNet-Lite0: faster"
    )
    add_out(parser, "JSON file to write; two pictures appear beside it")
    add_seed(parser)
    add_workers(parser)
    add_settings(parser)
    add_json(parser)


def _add_scanner(kinds: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        kinds,
        "scanner",
        scanner,
        help="Compare simulated scans with real ones, beside two halves of the real ones",
        example=SCANNER,
    )
    parser.add_argument(
        "--real", type=Path, required=True, metavar="DIR", help="folder of real scans"
    )
    parser.add_argument("--format", default="sixray", help="their format (sixray)")
    parser.add_argument(
        "--size", type=positive, default=256, metavar="PX", help="side of a scan in pixels (256)"
    )
    parser.add_argument(
        "--count", type=positive, default=1304, metavar="N", help="most scans of each kind (1304)"
    )
    parser.add_argument(
        "--simulated", type=Path, metavar="SCANS.h5", help="take these instead of simulating"
    )
    parser.add_argument(
        "--splits", type=positive, default=5, metavar="K", help="random halvings (5)"
    )
    _add_measured(parser)


def scanner(arguments: argparse.Namespace) -> int:
    """Compare simulated and real scans."""
    from xraysynth.evaluate.scanner import ScannerEvaluation, Source, evaluate_scanner
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    if arguments.simulated is not None and arguments.set:
        raise InputError(
            "--set changes what is simulated, --simulated names what was; want one of them."
        )
    given = {"size_px": arguments.size, "count": arguments.count, "splits": arguments.splits}
    given |= {"format": arguments.format, "network": not arguments.no_network}
    config = settings_from_mapping(ScannerEvaluation, {**given, "workers": arguments.workers})
    simulation = with_overrides({}, arguments.set)
    source = Source(real=arguments.real, simulated=arguments.simulated, settings=simulation)
    with watched("evaluate") as progress:
        report = evaluate_scanner(source, config, arguments.seed, arguments.out, progress)
    if arguments.json:
        show_json(report)
        return 0
    show_table(measure_rows(report))
    say(
        f"{report['samples_each']} scans of each kind, {report['splits']} random halves of "
        f"{report['real_scans']} real scans: {arguments.out}"
    )
    return 0


def _add_gan(kinds: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        kinds,
        "gan",
        gan,
        help="Compare a generator's scans with held-out ones, beside two halves of those",
        example="xraysynth evaluate gan --gan bundled --count 500 --out gan.json",
    )
    add_generator(parser)
    parser.add_argument(
        "--scans",
        type=Path,
        metavar="SCANS.h5",
        help="scans it has not learned from; else simulated as its file says",
    )
    parser.add_argument(
        "--training", type=Path, metavar="SCANS.h5", help="scans it has learned from"
    )
    parser.add_argument(
        "--count", type=positive, default=500, metavar="N", help="generated scans (500)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where simulated scans, features and the classifier are kept for the next run "
        "(XRAYSYNTH_CACHE, else the user's caches)",
    )
    _add_measured(parser)


def gan(arguments: argparse.Namespace) -> int:
    """Measure a generator."""
    from xraysynth.evaluate.gan import GanEvaluation, GanSource, evaluate_gan
    from xraysynth.evaluate.kept import default_folder
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    given = {"count": arguments.count, "workers": arguments.workers}
    given |= {"network": not arguments.no_network, "cache": arguments.cache or default_folder()}
    config = settings_from_mapping(GanEvaluation, with_overrides(given, arguments.set))
    source = GanSource(gan=arguments.gan, scans=arguments.scans, training=arguments.training)
    with watched("evaluate") as progress:
        report = evaluate_gan(source, config, arguments.seed, arguments.out, progress)
    if arguments.json:
        show_json(report)
        return 0
    show_table(measure_rows(report, "generated"))
    for rows in (report["truncation"], requested_rows(report)):
        if rows:
            say()
            show_table(rows)
    say(f"{report['samples_each']} scans of each kind: {arguments.out}")
    return 0


def requested_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how often each of the contents asked for was found, as rows of a table."""
    asked = report.get("requested")
    if asked is None:
        return []
    return [
        {
            "asked for": name,
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
