"""What scans hold, by name: from the image-level labels of a `scans.h5` to multi-hot rows.

A row of labels is None where nobody said what the scan holds, which differs from holding nothing.
So a scan can be asked to hold none of the contents that the generator knows: `NONE`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.scanfile import open_scans
from xraysynth.settings import nearest

LabelRows = list[frozenset[str] | None]
LabelChoice = Literal["none", "threats"] | tuple[str, ...]

NONE = "none"
"""Asked for in place of contents: a scan that holds none of them."""


def read_labels(path: Path) -> LabelRows:
    """Return the labels of every scan of a file; names of our classes whatever their case.

    A scan that its data set labels "unknown" is one of which nobody said what it holds.

    Raises
    ------
    InputError
        If a row is no JSON list of names.
    """
    with open_scans(path) as file:
        texts = file["metadata"].fields("labels")[:]
    parsed = {text: _parse(text, path) for text in np.unique(texts).tolist()}
    return [parsed[text] for text in texts.tolist()]


def choose_names(rows: LabelRows, choice: LabelChoice, where: str) -> tuple[str, ...]:
    """Return the names to condition on, each once: those of the choice, or all threats that occur.

    A name that is not among our classes counts as a threat: it is what its data set looks for.

    Raises
    ------
    InputError
        If no scan has such a label, or a chosen name does not occur.

    Examples
    --------
    >>> choose_names([frozenset({"knife", "Lamp", "organic"}), None], "threats", "scans.h5")
    ('knife', 'Lamp')
    """
    if choice == "none":
        return ()
    found = _found(rows)
    if choice == "threats":
        names = _threats(found)
        if not names:
            raise InputError(
                f"{where} holds no labels of threats; set `labels: none`, or prepare it from a "
                "data set that says what its scans hold."
            )
        return names
    chosen = tuple(dict.fromkeys(_canonical(name) for name in choice))
    for name in chosen:
        if name not in found:
            raise InputError(_unknown(name, found, f"label in {where}"))
    return chosen


def multi_hot(rows: LabelRows, names: Sequence[str]) -> np.ndarray:
    """Return one row a scan, 1 where it holds what the column names: (n, names) uint8.

    A row of unknown contents is 0 but for the column "unknown", where there is one.

    Examples
    --------
    >>> multi_hot([frozenset({"gun"}), frozenset(), None], ("gun", "knife", "unknown")).tolist()
    [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    """
    known = [{UNKNOWN} if row is None else row for row in rows]
    table = [[int(name in row) for name in names] for row in known]
    return np.array(table, np.uint8).reshape(len(rows), len(names))


def requested_names(
    config: NetworkConfig, contains: Sequence[str], balance: bool, index: int
) -> tuple[str, ...]:
    """Return what a numbered sample is asked to hold; it depends on nothing but its number.

    A balanced request asks every class in turn, hence each equally often. `NONE` asks for a scan
    with none of them; beside a balanced request it is one more turn.

    Examples
    --------
    >>> config = NetworkConfig(label_names=("gun", "knife", "unknown"))
    >>> [requested_names(config, ["none"], True, index) for index in range(3)]
    [('gun',), ('knife',), ('none',)]
    """
    if _asks_for_none(config, contains):
        turns = (*(config.contents if balance else ()), NONE)
        return (turns[index % len(turns)],)
    turn = config.contents[index % len(config.contents)] if balance else ""
    wanted = {*contains, *([turn] if turn else [])}
    return tuple(name for name in config.contents if name in wanted)


def requested_labels(
    config: NetworkConfig, contains: Sequence[str], balance: bool, indices: Iterable[int]
) -> Tensor | None:
    """Return the multi-hot of numbered samples, (n, labels), or None where nothing is asked for.

    Examples
    --------
    >>> config = NetworkConfig(label_names=("gun", "knife", "unknown"))
    >>> requested_labels(config, [], True, range(3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    >>> requested_labels(config, ["none"], False, [5]).tolist()
    [[0.0, 0.0, 0.0]]
    """
    if not contains and not balance:
        return None
    rows: LabelRows = [
        frozenset(requested_names(config, contains, balance, index)) for index in indices
    ]
    return torch.from_numpy(multi_hot(rows, config.label_names).astype(np.float32))


def check_request(
    config: NetworkConfig, contains: Sequence[str], balance: bool, name: str
) -> tuple[str, ...]:
    """Return the names asked for as the generator spells them; `NONE` stands alone.

    Raises
    ------
    InputError
        If the generator cannot be asked for anything, or not for one of the names.
    """
    if (contains or balance) and not config.contents:
        raise InputError(
            f"{name} was trained without labels and cannot be asked what its scans hold; leave out "
            "`contains` and `balance`, or train one with `labels: threats`."
        )
    known = {label.casefold(): label for label in (NONE, *config.contents)}
    known |= {label: label for label in config.contents}  # Two may differ by their case alone.
    spelt = [label if label in known else label.casefold() for label in contains]
    for label, key in zip(contains, spelt, strict=True):
        if key not in known:
            raise InputError(_unknown(label, list(config.contents), f"content that {name} knows"))
    wanted = tuple(known[key] for key in spelt)
    if _asks_for_none(config, wanted) and len(set(wanted)) > 1:
        others = ", ".join(label for label in wanted if label != NONE)
        raise InputError(
            f"scans were asked to hold {others} and none of all contents at once; leave out either."
        )
    return wanted


def _asks_for_none(config: NetworkConfig, contains: Sequence[str]) -> bool:
    """Tell whether none of the contents is asked for; a content of that name goes first."""
    return NONE in contains and NONE not in config.contents


def _parse(text: bytes, path: Path) -> frozenset[str] | None:
    """Return the names in one cell; None where it is empty, or one of them is "unknown"."""
    if not text:
        return None
    try:
        names = json.loads(text.decode())
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path}: column labels holds {text[:60]!r}; want a JSON list of names. Prepare the "
            "scans again."
        )
    held = frozenset(_canonical(name) for name in names) - {""}
    # Of a scan that holds something unknown, nobody said what it holds.
    return None if UNKNOWN in held else held


def _canonical(name: str) -> str:
    """Return our spelling of a class that we have, and any other name as it is.

    But for commas, which part names, and signs that cannot be printed.
    """
    printed = "".join(sign if sign.isprintable() else " " for sign in name).strip()
    ours = printed.casefold()
    return ours if ours in {UNKNOWN, *schema.classes()} else printed.replace(",", ";")


def threats_beside(rows: LabelRows, names: Sequence[str]) -> tuple[str, ...]:
    """Return the threats that scans hold besides some names: what those do not tell.

    Examples
    --------
    >>> threats_beside([frozenset({"knife", "gun", "organic"}), None], ["gun"])
    ('knife',)
    """
    return tuple(name for name in _threats(_found(rows)) if name not in names)


def _found(rows: LabelRows) -> list[str]:
    """Return all labels of scans, ours first."""
    return sorted({name for row in rows if row for name in row} - {UNKNOWN}, key=_rank)


def _threats(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are no clutter or material of ours."""
    groups = schema.classes()
    return tuple(n for n in names if n not in groups or groups[n].group == "threat")


def _rank(name: str) -> tuple[int, str]:
    """Our classes by their ids, then the others by name."""
    info = schema.classes().get(name)
    return (info.id if info else schema.MAX_CLASSES, name)


def _unknown(name: str, names: list[str], what: str) -> str:
    """Return the sentence for a name that is not there."""
    guess = nearest(name, names)
    hint = f"did you mean {guess}?" if guess else f"want one of {', '.join(names) or 'none'}."
    return f"{name!r} is no {what}; {hint}"
