"""Commands `verify`, `convert` and `audit`: what to do with shards."""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.cli.parser import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
