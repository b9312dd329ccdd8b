"""`evaluate segmenter --suite`: all methods, or variants of ours, on one generator."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xraysynth.cli.console import say, show_json, show_table, watched
from xraysynth.cli.gan import given_settings
from xraysynth.cli.parser import Parser, positive
from xraysynth.errors import InputError

SUITE_ONLY = ("gan", "exemplars", "methods", "tasks", "protocols", "markdown", "workers")
"""Arguments that only --suite knows."""


def add_suite(parser: Parser) -> None:
    """Add the arguments that only `--suite` knows."""
    suite = parser.add_argument_group("to compare all methods instead (goes on where it stopped)")
    suite.add_argument(
        "--suite", choices=("paper", "ablation"), help="all methods, or ours with one change each"
    )
    suite.add_argument("--gan", metavar="FILE", help='a generator, or "bundled"')
    suite.add_argument("--exemplars", type=positive, metavar="K", help="exemplars a task (5)")
    suite.add_argument("--methods", nargs="+", metavar="NAME", help="only these, and ours (all)")
    suite.add_argument("--tasks", nargs="+", metavar="NAME", help='only these, such as "bag" (all)')
    suite.add_argument("--protocols", nargs="+", choices=("A", "B", "C"), help="only these (all)")
    suite.add_argument("--markdown", type=Path, metavar="PATH", help="where the page goes")
    suite.add_argument(
        "--workers", type=positive, metavar="W", help="processes at once; never change a figure (1)"
    )


def suite(arguments: argparse.Namespace) -> int:
    """Compare all methods, or variants of ours."""
    from xraysynth.evaluate.suite.config import SuiteConfig
    from xraysynth.evaluate.suite.jobs import SuiteSource
    from xraysynth.evaluate.suite.run import evaluate_suite
    from xraysynth.evaluate.suite.summary import headline
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    if arguments.gan is None or arguments.shards is not None:
        raise InputError(
            "--suite measures a generator, not an export; name one with --gan and no folder."
        )
    given: dict[str, Any] = given_settings(arguments, ("methods", "tasks", "protocols"))
    if arguments.exemplars is not None:
        given["material"] = {"exemplars": arguments.exemplars}
    config = settings_from_mapping(SuiteConfig, with_overrides(given, arguments.set))
    source = SuiteSource(gan=arguments.gan, scans=arguments.scans, suite=arguments.suite)
    with watched("suite") as progress:
        report = evaluate_suite(
            source,
            config,
            arguments.seed,
            arguments.out,
            arguments.markdown,
            progress,
            workers=arguments.workers or 1,
        )
    if arguments.json:
        show_json(report)
        return 0
    show_table(headline(report))
    say(f"cells and page: {arguments.out}")
    return 0
