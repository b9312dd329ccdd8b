"""Command `insert`: threat image projection on raw low/high scans."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, watched
from xraysynth.cli.parser import Parser, add_command, add_out, add_seed, add_settings, positive


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "insert",
        insert,
        help="Insert raw threats into raw bags by adding line integrals; the masks are exact",
        example="xraysynth insert --bags raw/bags --threats raw/threats --out inserted --count 100",
    )
    parser.add_argument(
        "--bags",
        type=Path,
        required=True,
        metavar="DIR",
        help="pairs NAME_low.png, NAME_high.png (16 bit), or FILE.h5 of simulate --channels dual",
    )
    parser.add_argument(
        "--threats", type=Path, required=True, metavar="DIR", help="such pairs, one folder a class"
    )
    add_out(parser, "folder to write")
    parser.add_argument(
        "--count", type=positive, required=True, metavar="N", help="number of insertions"
    )
    parser.add_argument(
        "--air", type=positive, default=60_000, metavar="V", help="value of open air (60000)"
    )
    parser.add_argument(
        "--palette", default="standard", metavar="NAME", help="colours of NAME_colour.png"
    )
    add_seed(parser)
    add_settings(parser)


def insert(arguments: argparse.Namespace) -> int:
    """Insert threats."""
    from xraysynth.errors import InputError
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.scanner.insert_files import InsertionJob, insert_files
    from xraysynth.scanner.insertion import InsertionConfig
    from xraysynth.settings import settings_from_mapping

    if arguments.air > 65535:
        raise InputError(f"--air is {arguments.air}; pictures of 16 bit hold at most 65535.")
    config = settings_from_mapping(InsertionConfig, with_overrides({}, arguments.set))
    job = InsertionJob(
        bags=arguments.bags,
        threats=arguments.threats,
        out=arguments.out,
        count=arguments.count,
        seed=arguments.seed,
        air=arguments.air,
        palette=arguments.palette,
    )
    with watched("insert") as progress:
        summary = insert_files(job, config, progress)
    say(f"{summary.n_insertions} scans with an inserted threat: {arguments.out}")
    if summary.set_aside:
        table = arguments.out / "set_aside.csv"
        say(f"{len(summary.set_aside)} set aside, each with its reason: {table}")
    return 0
