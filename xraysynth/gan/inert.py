"""What a foreign pickle may become: names as texts, records of attributes, limited work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xraysynth.errors import CheckpointError

MAX_OPERATIONS = 1_000_000
"""Of one file with all that is nested in it; 4 KiB of text or bytes count as one more.

The official form takes 190,000 for networks of 256x256 (measured), 281 MiB.
"""
BYTES_OF_AN_OPERATION = 4096


@dataclass(frozen=True)
class Name:
    """Something that a file asks for by module and name; never imported."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False)
class Record:
    """An object of a file: the name of its class and its attributes, none of its code."""

    kind: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass
class Budget:
    """Operations that are left to a file and all that is nested in it."""

    left: int = MAX_OPERATIONS

    def spend(self, count: int = 1) -> None:
        """Count operations, or work that takes as long."""
        self.left -= count
        if self.left < 0:
            raise CheckpointError(
                f"reading it takes more than {MAX_OPERATIONS} operations, and checkpoints need far "
                "fewer"
            )


Maker = Callable[[tuple[Any, ...]], Any]
"""Turns the plain arguments of a call into an inert value."""


@dataclass(frozen=True, kw_only=True)
class AllowList:
    """What a file may ask for."""

    makers: Mapping[str, Maker]
    """Calls that are understood, by the full name of what is called."""
    records: frozenset[str]
    """Classes whose objects are kept as records: their attributes and nothing else."""
    names: frozenset[str]
    """Names that may stand as values, such as `torch.FloatStorage`."""
    refusals: Mapping[str, str]
    """Why a known name is refused, by the beginning of the name."""

    def name(self, module: str, name: str) -> Name:
        """Return a name that is on the list."""
        text = f"{module}.{name}"
        if text in self.makers or text in self.records or text in self.names:
            return Name(text)
        for beginning, reason in self.refusals.items():
            if text.startswith(beginning):
                raise CheckpointError(reason)
        raise CheckpointError(
            f"it asks to run {text[:80]!r}, which no checkpoint of a known layout needs; nothing "
            "was run"
        )

    def call(self, name: Any, arguments: Any) -> Any:
        """Return the inert value that stands for a call."""
        text = str(name) if isinstance(name, Name) else ""
        if isinstance(arguments, tuple) and text in self.records:
            return Record(text)
        if not isinstance(arguments, tuple) or text not in self.makers:
            raise CheckpointError("it calls something that is no function; nothing was run")
        try:
            return self.makers[text](arguments)
        except (TypeError, IndexError, KeyError, AttributeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"its call of {text} has arguments of a wrong kind") from None
