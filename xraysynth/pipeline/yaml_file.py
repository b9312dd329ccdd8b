"""YAML that a stranger wrote: read without surprises, refused in one sentence."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from xraysynth.errors import InputError, SettingsError

MAX_BYTES = 1 << 20
"""A pipeline file is a page of text; a larger file is something else."""


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without references (a short file could name a huge value) or repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse `*alias`: nested ones grow without bound."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases are not allowed", problem_mark=self.get_mark()
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice: one of the two would be lost in silence."""
        seen: set[str] = set()
        for key, _ in node.value:
            # Keys that are no scalars, PyYAML refuses by itself.
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name and name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {name[:60]!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str | bytes, what: str) -> Any:
    """Return the value of a YAML text.

    Parameters
    ----------
    text : the YAML
    what : what it is, for the error: a path, or "--set seed"

    Raises
    ------
    SettingsError
        If it is not plain YAML: broken, with aliases, with repeated keys.

    Examples
    --------
    >>> parse_yaml("[1, 2.5, yes]", "--set x")
    [1, 2.5, True]
    """
    try:
        # _PlainLoader is a SafeLoader: it makes plain values only.
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        reason = f"{error.problem or error.context}{place}"
    except RecursionError:
        reason = "it is nested too deeply"
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
    raise SettingsError(
        f"{what} is not valid YAML: {reason}. Correct that place.", code="settings", where=what
    )


def read_yaml(path: Path) -> Any:
    """Return the value of a small YAML file.

    Raises
    ------
    InputError
        If it does not exist, is no ordinary file, cannot be read or is larger than 1 MiB.
    SettingsError
        If it is not plain YAML.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {kind}; want a pipeline file in YAML.", where=str(path))
    try:
        with path.open("rb") as handle:
            text = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", where=str(path)) from error
    if len(text) > MAX_BYTES:
        raise InputError(
            f"{path} is larger than 1 MiB; want a pipeline file in YAML, which is a page of text.",
            where=str(path),
        )
    return parse_yaml(text, str(path))
