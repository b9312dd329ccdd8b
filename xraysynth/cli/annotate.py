"""Command `annotate`: label one generated scan on a page in the browser."""

from __future__ import annotations

import argparse
import sys

from xraysynth.cli.console import say, tell, watched
from xraysynth.cli.gan import add_generator
from xraysynth.cli.parser import Parser, add_command, add_out, add_seed, seed


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "annotate",
        annotate,
        help="Label a generated scan on a page in the browser, and see what it teaches",
        example="xraysynth annotate --gan bundled --out my-exemplar",
    )
    add_generator(parser)
    add_out(parser, "folder for the exemplar and the work so far")
    parser.add_argument(
        "--port", type=seed, default=0, metavar="P", help="port on this machine (a free one)"
    )
    add_seed(parser)


def annotate(arguments: argparse.Namespace) -> int:
    """Serve the page until it is interrupted."""
    from xraysynth.oneshot.annotate.server import check_installed, listen, serve

    check_installed()
    # A busy port is told before the long work.
    with listen(arguments.port) as listening:
        from xraysynth.gan.checkpoint import load_generator
        from xraysynth.lock import locked
        from xraysynth.oneshot.annotate.start import open_desk

        generator = load_generator(arguments.gan)
        with locked(arguments.out):
            with watched("groups") as progress:
                desk = open_desk(generator, arguments.out, arguments.seed, progress)
            tell(f"{len(desk.labelled())} of {len(desk.scans)} scans have labels; Ctrl-C ends")
            serve(desk, listening, _tell_address)
    return 0


def _tell_address(address: str) -> None:
    """Print the address at once, also where nobody watches."""
    say(f"open {address}")
    sys.stdout.flush()
