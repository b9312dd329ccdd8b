"""The command line: the only place that prints or reads arguments.

Rooms are imported inside the commands, so that `--help` is there at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence

from xraysynth import __version__
from xraysynth.cli import annotate, evaluate, gan, insert, labels, run, scans, shards, weights
from xraysynth.cli.console import tell
from xraysynth.cli.parser import Parser
from xraysynth.errors import XraysynthError

INTERRUPTED = 130
BROKEN_PIPE = 141
STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this disk or account allows",
    errno.EROFS: "it is on a read-only disk",
    errno.EACCES: "permission is missing",
    errno.EPERM: "permission is missing",
    errno.ENOTDIR: "a part of its path is a file",
    errno.ENAMETOOLONG: "its name is too long",
}
"""Troubles with files that the user can mend; every other OSError is a fault of ours."""


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="xraysynth",
        description="Annotated synthetic baggage X-ray scans, from unlabelled ones and one label.",
        epilog="example:\n  xraysynth run quickstart\n\n"
        "Exit status: 0 done, 2 wrong input, 3 damaged data, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"xraysynth {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Parser
    )
    for module in (run, scans, insert, gan, weights, annotate, labels, shards, evaluate):
        module.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 done, 2 the input is wrong, 3 data is damaged, 130 interrupted after saving. A wrong
    input is one line on stderr; with XRAYSYNTH_DEBUG=1 its traceback comes before it.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Paths may hold bytes that are no text; naming them must not fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _command(argv)
        sys.stdout.flush()
    except XraysynthError as error:
        return _refuse(str(error), error.exit_status)
    except KeyboardInterrupt as interruption:
        tell(str(interruption) or "interrupted; run the same command to go on")
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_quietly()
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        path = error.filename or "a file"
        return _refuse(
            f"{path} cannot be used: {STORAGE[error.errno]}. What was finished is kept; mend that, "
            "then run the same command again.",
            2,
        )
    return status


def _command(argv: Sequence[str] | None) -> int:
    """Parse the arguments and run the command that they name."""
    try:
        arguments = build_parser().parse_all(argv)
    except SystemExit as leaving:  # --help and --version
        return int(leaving.code or 0)
    status: int = arguments.run(arguments)
    return status


def _refuse(message: str, status: int) -> int:
    """Say in one line what is wrong."""
    if os.environ.get("XRAYSYNTH_DEBUG") == "1":
        traceback.print_exc()
    tell(f"xraysynth: error: {' '.join(message.split())}")
    return status


def _leave_quietly() -> int:
    """Give up on a reader that has gone, as Unix tools do; nothing more may be written."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError, argparse.ArgumentError):
        pass
    return BROKEN_PIPE
