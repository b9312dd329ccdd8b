"""Command `evaluate`: figures on how good something is."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, show_json, show_table, watched
from xraysynth.cli.gan import add_generator, given_settings
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_json,
    add_out,
    add_out_file,
    add_seed,
    add_settings,
    add_workers,
    positive,
)
from xraysynth.cli.score_tables import (
    confidence_rows,
    measure_rows,
    requested_rows,
    score_rows,
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
    add_out_file(parser, "JSON file to write; two pictures appear beside it")
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
    parser.add_argument("--count", type=positive, metavar="N", help="generated scans (500)")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where simulated scans, features and the classifier are kept for the next run "
        "(XRAYSYNTH_CACHE, else the user's caches)",
    )
    _add_measured(parser)
    parser.set_defaults(workers=None)  # So that one that is given is told from one that is not.


def gan(arguments: argparse.Namespace) -> int:
    """Measure a generator."""
    from xraysynth.evaluate.gan import GanEvaluation, GanSource, evaluate_gan
    from xraysynth.evaluate.kept import default_folder
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    given = given_settings(arguments, ("count", "workers", "cache"))
    named = with_overrides(given, arguments.set)
    if arguments.no_network and "network" in named:
        raise InputError(
            "--no-network and --set network are for the same setting; give one of them."
        )
    named = {"cache": default_folder(), "network": not arguments.no_network} | named
    config = settings_from_mapping(GanEvaluation, named)
    source = GanSource(gan=arguments.gan, scans=arguments.scans, training=arguments.training)
    with watched("evaluate") as progress:
        report = evaluate_gan(source, config, arguments.seed, arguments.out, progress)
    if arguments.json:
        show_json(report)
        return 0
    show_table(measure_rows(report, "generated"))
    parts = (requested_rows(report), requested_rows(report, "clutter"))
    for rows in (report["truncation"], *parts):
        if rows:
            say()
            show_table(rows)
    say(f"{report['samples_each']} scans of each kind: {arguments.out}")
    return 0
