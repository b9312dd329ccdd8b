"""Clutter: contents that nobody asks for. Values of z say which of them a scan holds.

A generator that is only asked for threats drops the clutter that is hard to draw, bottles say, and
nothing tells it to: no request names them. So each kind of clutter has a value of z of its own. A
kind in a share p of the scans is there where its value lies above the quantile 1 - p of the normal
distribution. In training that value is drawn to agree with what the real scan holds, which leaves z
standard normal; hence whoever draws z draws clutter as often as it was seen, and asks for nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from xraysynth.gan.config import Clutter, ClutterKind
from xraysynth.gan.contents import LabelRows, read_labels
from xraysynth.scanfile import class_names, open_scans

_SHARES = 0.01, 0.99
"""Least and greatest share of the scans in which a kind says something of them."""
_MANY = 0.5
"""Share of the scans from which on a class of clutter is in most of them."""
_MOST = 32
"""Kinds at most, the commonest."""
_NEVER = 1e-4
"""A share of 0, as a kind has that other scans held, gives no quantile; this does."""


def read_contents(path: Path) -> LabelRows:
    """Return all that every scan of a file holds: its simulated items, or else its labels."""
    with open_scans(path) as file:
        if "items" not in file:
            return read_labels(path)
        scans = file["metadata"].fields(["scan_id", "view_id"])[:]
        items = file["items"].fields(["scan_id", "view_id", "name", "area_px"])[:]
    rows: dict[tuple[bytes, int], set[str]] = {key: set() for key in scans.tolist()}
    for scan_id, view_id, name, area_px in items.tolist():
        if area_px and (scan_id, view_id) in rows:
            rows[scan_id, view_id].add(name.decode())
    return [frozenset(rows[key]) for key in scans.tolist()]


def read_classes(path: Path) -> dict[str, str]:
    """Return the class that the pixels of each item of a simulated file have; empty of others."""
    with open_scans(path) as file:
        names = class_names(file)
        if "items" not in file or not names:
            return {}
        items = np.unique(file["items"].fields(["name", "class_id"])[:])
    return {name.decode(): names[class_id] for name, class_id in items.tolist()}


def choose_clutter(
    rows: LabelRows,
    asked_for: Sequence[str],
    known: Clutter = (),
    most: int = _MOST,
    classes: Mapping[str, str] = MappingProxyType({}),
) -> Clutter:
    """Return the kinds of clutter with their shares: those known before, then the new ones by name.

    Parameters
    ----------
    rows : what the scans hold
    asked_for : contents that have a request of their own
    known : kinds of a generator to start from, which keep their places
    most : kinds in all, the commonest of them
    classes : class of the pixels of each kind, where masks know them

    Examples
    --------
    >>> rows = [frozenset({"gun", "book"}), frozenset({"book", "shoe"}), None, frozenset()]
    >>> [(kind.name, kind.share) for kind in choose_clutter(rows, ["gun"])]
    [('book', 0.6667), ('shoe', 0.3333)]
    """
    held = [row for row in rows if row is not None]
    counts = Counter(name for row in held for name in row)
    shares = {name: round(count / len(held), 4) for name, count in counts.items()}
    before = [kind.name for kind in known]
    new = [
        name
        for name, share in sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
        if _SHARES[0] <= share <= _SHARES[1] and name not in (*asked_for, *before)
    ]
    kinds = before + sorted(new[: max(min(most, _MOST) - len(before), 0)])
    own = {kind.name: kind.class_name for kind in known} | dict(classes)
    return tuple(
        ClutterKind(name=name, share=shares.get(name, 0.0), class_name=own.get(name, name))
        for name in kinds
    )


def clutter_held(rows: LabelRows, clutter: Clutter) -> np.ndarray:
    """Return which kinds every scan holds, (n, kinds) float32; NaN where nobody said.

    Examples
    --------
    >>> shoe = ClutterKind(name="shoe", share=0.5, class_name="organic")
    >>> clutter_held([frozenset({"shoe"}), frozenset(), None], (shoe,)).tolist()
    [[1.0], [0.0], [nan]]
    """
    names = [kind.name for kind in clutter]
    table = [[np.nan if row is None else float(n in row) for n in names] for row in rows]
    return np.array(table, np.float32).reshape(len(rows), len(names))


def thresholds(clutter: Clutter) -> Tensor:
    """Return the value of z above which each kind is there: (kinds,) float32."""
    return -torch.special.ndtri(_shares(clutter))


def agreeing(latent_z: Tensor, held: Tensor, clutter: Clutter, rng: torch.Generator) -> Tensor:
    """Return latents whose first values say what scans hold, standard normal over all scans.

    (n, z_dim), (n, kinds) 1, 0 or NaN where any value will do -> (n, z_dim)
    """
    share = _shares(clutter)
    chance = torch.rand(held.shape, generator=rng)
    upper = torch.where(held > 0, chance * share, share + chance * (1.0 - share))
    upper = torch.where(held.isnan(), chance, upper)
    kinds = -torch.special.ndtri(upper.clamp(1e-6, 1.0 - 1e-6))
    return torch.cat([kinds, latent_z[:, len(clutter) :]], dim=1)


def told(labels: Tensor | None, held: Tensor | None, clutter: Clutter) -> Tensor | None:
    """Return what a discriminator is told of scans: labels, and how far each kind is off its share.

    (n, labels), (n, kinds) 1, 0 or NaN -> (n, labels and kinds), or None without either

    Examples
    --------
    >>> book = ClutterKind(name="book", share=0.25, class_name="organic")
    >>> told(torch.ones(2, 1), torch.tensor([[1.0], [torch.nan]]), (book,)).tolist()
    [[1.0, 0.75], [1.0, 0.0]]
    """
    if held is None:
        return labels
    kinds = (held - _shares(clutter).to(held)).nan_to_num()
    return kinds if labels is None else torch.cat([labels, kinds], dim=1)


def clutter_classes(clutter: Clutter) -> tuple[str, ...]:
    """Return the classes of clutter, without those that most scans hold: that says little.

    Examples
    --------
    >>> kinds = [("bottle", 0.2, "liquid"), ("can", 0.1, "liquid"), ("shoe", 0.6, "organic")]
    >>> clutter_classes(tuple(ClutterKind(name=n, share=s, class_name=c) for n, s, c in kinds))
    ('liquid',)
    """
    shares = _shares(clutter)
    without = {
        name: math.prod(1.0 - float(shares[place]) for place in _places(clutter, name))
        for name in dict.fromkeys(kind.class_name for kind in clutter)
    }
    return tuple(name for name, share in without.items() if 1.0 - share <= _MANY)


def said_classes(latent_z: Tensor, clutter: Clutter) -> Tensor:
    """Return which of the `clutter_classes` latents say are there.

    (n, z_dim) -> (n, classes) 1 or 0

    Examples
    --------
    >>> bottle = ClutterKind(name="bottle", share=0.2, class_name="liquid")
    >>> said_classes(torch.tensor([[3.0, 0.0], [-1.0, 3.0]]), (bottle,)).tolist()
    [[1.0], [0.0]]
    """
    there = (latent_z[:, : len(clutter)] > thresholds(clutter).to(latent_z)).float()
    said = [there[:, _places(clutter, name)].amax(dim=1) for name in clutter_classes(clutter)]
    return torch.stack(said, dim=1) if said else there[:, :0]


def _places(clutter: Clutter, class_name: str) -> list[int]:
    """Return which kinds are of a class."""
    return [place for place, kind in enumerate(clutter) if kind.class_name == class_name]


def _shares(clutter: Clutter) -> Tensor:
    """Return the shares: (kinds,) float32."""
    return torch.tensor([kind.share for kind in clutter]).clamp(_NEVER, 1.0 - _NEVER)
