"""Arguments: argparse with nearest names, one-line errors, and types that check ranges."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from xraysynth.errors import InputError
from xraysynth.settings import nearest

Command = Callable[[argparse.Namespace], int]


class UsageError(InputError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence with the nearest valid name."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and leaving."""
        raise UsageError(f"{message}; see {self.prog} --help.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a name that is no choice, naming the nearest one that is."""
        choices = [str(choice) for choice in action.choices or ()]
        if choices and str(value) not in choices:
            guess = nearest(str(value), choices)
            hint = f"did you mean {guess}?" if guess else f"want one of {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"there is no {str(value)!r}; {hint}")

    def parse_all(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Return the arguments, or name the first that no command knows."""
        arguments, extra = self.parse_known_args(argv)
        if extra:
            owner: Parser = getattr(arguments, "parser", self)
            known = [name for action in owner._actions for name in action.option_strings]
            guess = nearest(extra[0].partition("=")[0], known)
            owner.error(
                f"there is no argument {extra[0]}" + (f"; did you mean {guess}?" if guess else "")
            )
        return arguments


def add_command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    run: Command,
    *,
    help: str,
    example: str,
) -> Parser:
    """Add a command with its one-line help, its example, and the function that runs it."""
    parser = commands.add_parser(
        name, help=help, description=f"{help}.", epilog=f"example:\n  {example}"
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_out(parser: Parser, what: str) -> None:
    """Add the required `--out`."""
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help=what)


def add_out_file(parser: Parser, what: str) -> None:
    """Add the required `--out` of a command that writes one file."""
    parser.add_argument("--out", type=_file, required=True, metavar="PATH", help=what)


def _file(text: str) -> Path:
    """Return a path that is no folder: told before the work, not after it."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; want the name of a file")
    return path


def add_seed(parser: Parser) -> None:
    """Add `--seed`."""
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="S", help="the same seed makes the same files (0)"
    )


def add_workers(parser: Parser) -> None:
    """Add `--workers`."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="W",
        help="processes at once; never changes what is made (1)",
    )


def add_json(parser: Parser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_settings(parser: Parser) -> None:
    """Add `--set`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set any further setting; may be given again",
    )


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    return _whole(text, 1)


def seed(text: str) -> int:
    """Return a whole number of at least 0."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    """Return a whole number within what files can hold."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    if number >= 2**63:
        raise argparse.ArgumentTypeError(f"{text} is too large; want less than 2 to the 63rd")
    return number
