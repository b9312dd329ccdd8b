"""What a foreign pickle may become: names as texts, records of attributes, limited work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from xraysynth.errors import CheckpointError

MAX_OPERATIONS = 1_000_000
"""Of one file with all that is nested in it; 2 KiB of text or bytes count as one more.

The official form takes about 330,000 for networks of 256x256, 281 MiB; those are counted twice.
"""
BYTES_OF_AN_OPERATION = 2048
BYTES_OF_A_COPY = 64
"""Bytes made anew of what the file holds once, and may hand over many times, for an operation."""
MAX_TEXT = 256 << 20
"""Longest text or bytes; the largest layer of published networks has 38 MB."""
MAX_KEY = 2**31


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


class ByteSource(Protocol):
    """An open file, a memory map or bytes in memory."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes."""

    def readline(self) -> bytes:
        """Return the bytes up to the end of the line."""

    def tell(self) -> int:
        """Return the position."""


class Metered:
    """A source whose bytes are counted before they are in memory: a file may claim gigabytes."""

    def __init__(self, source: ByteSource, budget: Budget) -> None:
        self._source = source
        self._budget = budget

    def read(self, count: int, /) -> bytes:
        """Return the next bytes."""
        if count > MAX_TEXT:
            raise CheckpointError(
                f"it claims a text or number of {count} bytes, and checkpoints need at most "
                f"{MAX_TEXT} for one"
            )
        self._budget.spend(max(count, 0) // BYTES_OF_AN_OPERATION)
        return self._source.read(count)

    def readline(self) -> bytes:
        """Return the bytes up to the end of the line."""
        line = self._source.readline()
        self._budget.spend(len(line) // BYTES_OF_AN_OPERATION)
        return line

    def tell(self) -> int:
        """Return the position."""
        return self._source.tell()


def plain_key(value: Any) -> Any:
    """Return a key or member, if it is plain.

    Hashing nested tuples can take for ever, and so can a table of large numbers chosen to collide.
    """
    if not isinstance(value, str) and not (isinstance(value, int) and 0 <= value < MAX_KEY):
        raise CheckpointError("a dictionary in it has keys that are no plain values")
    return value


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
