"""Commands `train-gan` and `generate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.console import say, watched
from xraysynth.cli.parser import Parser, add_command, add_out, add_seed, add_settings, positive
from xraysynth.errors import InputError


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_train(commands)
    _add_generate(commands)


def add_generator(parser: Parser) -> None:
    """Add the required `--gan`."""
    parser.add_argument(
        "--gan", required=True, metavar="FILE", help='a generator, or "bundled" for the one inside'
    )


def _add_train(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "train-gan",
        train,
        help="Train a generator on prepared scans",
        example="xraysynth train-gan scans.h5 --out gan --kimg 20 --init bundled",
    )
    parser.add_argument("scans", type=Path, metavar="SCANS.h5", help="from simulate or prepare")
    add_out(parser, "folder for checkpoint, statistics and samples")
    parser.add_argument("--kimg", type=float, metavar="K", help="thousands of scans to show")
    parser.add_argument(
        "--init", default=None, metavar="FILE", help='generator to start from, such as "bundled"'
    )
    parser.add_argument("--resume", action="store_true", help="go on with the training in --out")
    add_seed(parser)
    add_settings(parser)


def train(arguments: argparse.Namespace) -> int:
    """Train a generator."""
    from xraysynth.gan.train_config import TrainConfig
    from xraysynth.gan.trainer import RESUME
    from xraysynth.gan.trainer import train as train_gan
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.pipeline.lock import locked
    from xraysynth.scanfile import open_scans
    from xraysynth.settings import settings_from_mapping

    given = {"kimg": arguments.kimg, "init": arguments.init}
    named = {name: value for name, value in given.items() if value is not None}
    config = settings_from_mapping(TrainConfig, with_overrides(named, arguments.set))
    if (arguments.out / RESUME).exists() and not arguments.resume:
        raise InputError(
            f"{arguments.out} holds a training; add --resume to go on with it, or choose another "
            "folder."
        )
    with open_scans(arguments.scans):
        pass  # A wrong file is refused before the folder is made.
    with locked(arguments.out), watched("train-gan") as progress:
        checkpoint = train_gan(arguments.scans, arguments.out, config, arguments.seed, progress)
    say(f"generator: {checkpoint}")
    return 0


def _add_generate(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "generate",
        generate,
        help="Write generated scans as PNG files, and a grid of them",
        example="xraysynth generate --gan bundled --count 60 --out pictures",
    )
    add_generator(parser)
    parser.add_argument(
        "--count", type=positive, required=True, metavar="N", help="number of scans"
    )
    add_seed(parser)
    add_out(parser, "folder for the pictures")


def generate(arguments: argparse.Namespace) -> int:
    """Write pictures."""
    from xraysynth.pipeline.pictures import write_pictures

    with watched("generate") as progress:
        grid = write_pictures(
            arguments.gan, arguments.count, arguments.seed, arguments.out, progress
        )
    say(f"{arguments.count} scans: {arguments.out}")
    say(f"grid: {grid}")
    return 0
