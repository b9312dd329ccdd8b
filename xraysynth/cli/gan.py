"""Commands `train-gan` and `generate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xraysynth.cli.console import say, tell, watched
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


def add_request(parser: Parser) -> None:
    """Add `--contains` and `--balance`."""
    parser.add_argument(
        "--contains",
        action="append",
        metavar="CLASS",
        help="ask for scans that hold this class; may be given again; none: that hold no threat",
    )
    parser.add_argument(
        "--balance",
        action="store_true",
        default=None,
        help="ask each class equally often; with --contains none, none as often as each",
    )


def given_settings(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the settings that the command line gave, by their names.

    Raises
    ------
    InputError
        One of them is given by `--set` as well.
    """
    values = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in values.items() if value is not None}
    for override in arguments.set:
        name = override.partition("=")[0].strip()
        if name in given:
            raise InputError(
                f"--{name.replace('_', '-')} and --set {override} are for the same setting; give "
                "one of them."
            )
    return given


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
    from xraysynth.gan.distributed import is_first, joined_processes
    from xraysynth.gan.train_config import TrainConfig
    from xraysynth.gan.trainer import RESUME
    from xraysynth.gan.trainer import train as train_gan
    from xraysynth.lock import locked
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.scanfile import open_scans
    from xraysynth.settings import settings_from_mapping

    named = given_settings(arguments, ("kimg", "init"))
    config = settings_from_mapping(TrainConfig, with_overrides(named, arguments.set))
    if (arguments.out / RESUME).exists() and not arguments.resume:
        raise InputError(
            f"{arguments.out} holds a training; add --resume to go on with it, or choose another "
            "folder."
        )
    with open_scans(arguments.scans):
        pass  # A wrong file is refused before the folder is made.
    new = arguments.resume and not (arguments.out / RESUME).exists()
    given = arguments.scans, arguments.out, config, arguments.seed
    try:
        with joined_processes(config.device):
            if not is_first():
                train_gan(*given)
                return 0
            if new:
                tell(f"note: {arguments.out} holds no training to go on with; a new one begins.")
            with locked(arguments.out), watched("train-gan") as progress:
                checkpoint = train_gan(*given, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command with --resume goes on") from None
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
    add_request(parser)
    add_seed(parser)
    add_out(parser, "folder for the pictures")
    add_settings(parser)


def generate(arguments: argparse.Namespace) -> int:
    """Write pictures."""
    from xraysynth.pipeline.definition import with_overrides
    from xraysynth.pipeline.pictures import PicturesConfig, write_pictures
    from xraysynth.settings import settings_from_mapping

    named = given_settings(arguments, ("count", "contains", "balance"))
    config = settings_from_mapping(PicturesConfig, with_overrides(named, arguments.set))
    with watched("generate") as progress:
        made = write_pictures(arguments.gan, config, arguments.seed, arguments.out, progress)
    say(f"{config.count} scans: {arguments.out}")
    say(f"grid: {made.grid}")
    if made.order_violations is not None:
        say(f"pixels with T_low > T_high + 0.01: {made.order_violations:.2%}")
    return 0
