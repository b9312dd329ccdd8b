"""Commands `simulate` and `prepare`: scans to learn from."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, watched
from xraysynth.cli.parser import (
    Parser,
    add_command,
    add_out_file,
    add_seed,
    add_settings,
    add_workers,
    positive,
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_simulate(commands)
    _add_prepare(commands)


def _add_simulate(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "simulate",
        simulate,
        help="Scan imagined bags with the embedded scanner; the masks are exact",
        example="xraysynth simulate --out scans.h5 --count 2000 --size 64 --workers 2",
    )
    add_out_file(parser, "HDF5 file to write")
    parser.add_argument(
        "--count", type=positive, required=True, metavar="N", help="number of scans"
    )
    parser.add_argument(
        "--size", type=positive, default=64, metavar="PX", help="side in pixels (64)"
    )
    parser.add_argument(
        "--channels", choices=("rgb", "dual"), default="rgb", help="pseudo-colour, or low and high"
    )
    parser.add_argument(
        "--views", type=positive, default=1, metavar="V", help="pictures of each scan: 1 or 2 (1)"
    )
    add_seed(parser)
    add_workers(parser)
    add_settings(parser)


def simulate(arguments: argparse.Namespace) -> int:
    """Simulate scans."""
    from xraysynth.baggage.config import SimulationConfig
    from xraysynth.baggage.simulate import simulate as simulate_scans
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.settings import settings_from_mapping

    given = {
        "size_px": arguments.size,
        "channels": arguments.channels,
        "views": arguments.views,
    }
    config = settings_from_mapping(SimulationConfig, with_overrides(given, arguments.set))
    with watched("simulate") as progress:
        simulate_scans(
            config, arguments.count, arguments.seed, arguments.out, arguments.workers, progress
        )
    views = f" of {config.views} views" if config.views > 1 else ""
    say(f"{arguments.count} scans{views}: {arguments.out}")
    return 0


def _add_prepare(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "prepare",
        prepare,
        help="Read the scans of a data set and letterbox them to one size",
        example="xraysynth prepare ../shared/real/sixray --format sixray --out scans.h5 --size 64",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the data set")
    parser.add_argument("--format", required=True, help="its format, such as sixray or folder")
    add_out_file(parser, "HDF5 file to write")
    parser.add_argument(
        "--size", type=positive, default=64, metavar="PX", help="side in pixels (64)"
    )
    add_workers(parser)
    add_settings(parser)


def prepare(arguments: argparse.Namespace) -> int:
    """Prepare real scans."""
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.scans.prepare import PrepareConfig
    from xraysynth.scans.prepare import prepare as prepare_scans
    from xraysynth.settings import settings_from_mapping

    given = {"size_px": arguments.size, "workers": arguments.workers}
    config = settings_from_mapping(PrepareConfig, with_overrides(given, arguments.set))
    with watched("prepare") as progress:
        summary = prepare_scans(arguments.source, arguments.format, arguments.out, config, progress)
    say(f"{summary.n_scans} scans: {arguments.out}")
    if summary.n_set_aside:
        say(f"{summary.n_set_aside} set aside, each with its reason: {summary.set_aside_file}")
    if summary.n_mended_boxes or summary.n_dropped_boxes:
        say(f"{summary.n_mended_boxes} boxes mended, {summary.n_dropped_boxes} dropped")
    return 0
