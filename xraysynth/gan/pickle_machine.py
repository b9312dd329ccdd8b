"""Reads a pickle as data: a stack machine of our own that imports nothing and calls nothing.

Python's own reader imports whatever a file names and calls it. This one knows names as texts
only. A name that is not on the caller's list ends the reading; one that is on it becomes what
the caller's own function makes of the plain values that follow. So a file can at worst be
refused. Numbers of operations and bytes are limited; a dictionary's keys must be plain, because
the hash of nested tuples can take for ever.

References
----------
.. [1] Python standard library, `pickletools`: the meaning of each operation.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import Any

from xraysynth.errors import CheckpointError, DamagedError
from xraysynth.gan.inert import (
    BYTES_OF_AN_OPERATION,
    AllowList,
    Budget,
    ByteSource,
    Metered,
    Record,
    plain_key,
)

MAX_DIGITS = 64
"""Bytes of a whole number; torch's magic number has ten."""


PersistentLoad = Callable[[Any], Any]


def read_pickle(
    source: ByteSource, allowed: AllowList, budget: Budget, persistent: PersistentLoad | None = None
) -> Any:
    """Read one pickle, up to its end mark, as plain values and records.

    Parameters
    ----------
    source : at the beginning of the pickle
    allowed : what the pickle may ask for
    budget : operations that are left
    persistent : what a reference to something outside the pickle becomes

    Raises
    ------
    CheckpointError
        If the pickle asks for anything that is not on the list, or for more than the budget.
    DamagedError
        If it is cut short or no pickle.

    Examples
    --------
    >>> import io
    >>> nothing = AllowList(makers={}, records=frozenset(), names=frozenset(), refusals={})
    >>> read_pickle(io.BytesIO(b"(lp0\\nI7\\na."), nothing, Budget())
    [7]
    """
    machine = _Machine(allowed, budget, persistent)
    try:
        metered = Metered(source, budget)
        for operation, argument, _ in pickletools.genops(metered):  # type: ignore[arg-type]
            budget.spend()
            if operation.name == "STOP":
                return machine.pop()
            machine.run(operation.name, argument)
    except CheckpointError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error) as error:
        raise DamagedError(f"its pickle is cut short or garbled ({_short(error)})") from None
    raise DamagedError("its pickle has no end")


def _short(error: Exception) -> str:
    """Return the beginning of an error's text."""
    return " ".join(str(error).split())[:80]


def _work(value: Any) -> int:
    """Return how many operations the handling of a value counts as."""
    if isinstance(value, (str, bytes, bytearray)):
        return len(value) // BYTES_OF_AN_OPERATION
    return len(value) if isinstance(value, (tuple, list, dict)) else 0


_MARK = object()
_PUSH = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "FLOAT", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("BINSTRING", "SHORT_BINSTRING", "STRING"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME"}


class _Machine:
    """Stack and memory of one pickle."""

    def __init__(
        self, allowed: AllowList, budget: Budget, persistent: PersistentLoad | None
    ) -> None:
        self._allowed = allowed
        self._budget = budget
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """Carry out one operation."""
        if name in _PUSH:
            if isinstance(argument, int) and argument.bit_length() > 8 * MAX_DIGITS:
                raise CheckpointError("a whole number in it is absurdly long")
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            items = [self.pop() for _ in range(_TUPLES[name])]
            self._stack.append(tuple(reversed(items)))
        elif name not in _IGNORED:
            handler = getattr(self, f"_{name.lower()}", None)
            if handler is None:
                raise CheckpointError(f"its pickle uses {name}, which no checkpoint needs")
            handler(argument)

    def pop(self) -> Any:
        """Take the topmost value."""
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def _to_mark(self) -> list[Any]:
        """Take all values above the topmost mark."""
        items: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    # Memory

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _binget = _long_binget = _get

    # Containers

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._to_mark()))

    def _list(self, _: Any) -> None:
        self._stack.append(self._to_mark())

    def _dict(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append({})
        self._store(items)

    def _append(self, _: Any) -> None:
        value = self.pop()
        self._extend([value])

    def _appends(self, _: Any) -> None:
        self._extend(self._to_mark())

    def _setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._store([key, value])

    def _setitems(self, _: Any) -> None:
        self._store(self._to_mark())

    def _additems(self, _: Any) -> None:
        items = self._to_mark()
        if not isinstance(self._stack[-1], set):
            raise TypeError("items for something that is no set")
        self._stack[-1].update(plain_key(item) for item in items)

    def _frozenset(self, _: Any) -> None:
        self._stack.append(frozenset(plain_key(item) for item in self._to_mark()))

    def _extend(self, items: list[Any]) -> None:
        """Append to the list on top of the stack."""
        if not isinstance(self._stack[-1], list):
            raise TypeError("items for something that is no list")
        self._stack[-1].extend(items)

    def _store(self, items: list[Any]) -> None:
        """Put keys and values into the dictionary, or record, on top of the stack."""
        target = self._stack[-1]
        if isinstance(target, Record):
            target = target.state
        if not isinstance(target, dict):
            raise TypeError("items for something that is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    # Names, calls and objects

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._allowed.name(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name that is no text")
        self._stack.append(self._allowed.name(module, name))

    def _reduce(self, _: Any) -> None:
        arguments, name = self.pop(), self.pop()
        # What was stored once may be handed to any number of calls.
        for value in arguments if isinstance(arguments, tuple) else ():
            self._budget.spend(_work(value))
        self._stack.append(self._allowed.call(name, arguments))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        state = self.pop()
        target = self._stack[-1]
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
            state = state[0]
        self._budget.spend(_work(state))
        if isinstance(target, Record) and isinstance(state, dict):
            target.state.update(state)
        elif not isinstance(target, (Record, dict)):
            raise CheckpointError("it changes something that is no object; nothing was run")

    def _binpersid(self, _: Any) -> None:
        reference = self.pop()
        if self._persistent is None:
            raise CheckpointError("it refers to something outside itself")
        self._stack.append(self._persistent(reference))
