"""Work kept between runs. A file's name is the hash of all that it was made from: never stale."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xraysynth import __version__
from xraysynth.errors import StorageError, XraysynthError
from xraysynth.evaluate.feature_network import Features, features_of
from xraysynth.gan.checkpoint import load_tensors, save_tensors, tensors_hash
from xraysynth.gan.efficientnet import NAME
from xraysynth.progress import Progress, silent

_DIGITS = 24


def default_folder() -> Path:
    """Return where commands keep work: XRAYSYNTH_CACHE, else `xraysynth` among the user's caches.

    Everything in it may be deleted at any time: it is made again.
    """
    if named := os.environ.get("XRAYSYNTH_CACHE"):
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "xraysynth"


@dataclass(frozen=True)
class Kept:
    """A folder of files that are named by what they were made from; without one nothing is kept."""

    folder: Path | None = None

    def path(self, name: str, made_from: Any) -> Path | None:
        """Return the file of some work.

        Parameters
        ----------
        name : what it is, with its suffix
        made_from : all that it depends on, as JSON can hold it; our version counts as well

        Examples
        --------
        >>> kept = Kept(Path("cache"))
        >>> kept.path("a.h5", {"seed": 0}) == kept.path("a.h5", {"seed": 1})
        False
        """
        if self.folder is None:
            return None
        text = json.dumps([__version__, made_from], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
        stem, suffix = os.path.splitext(name)
        return self.folder / f"{stem}-{digest}{suffix}"


NOTHING_KEPT = Kept()


def kept_tensors(path: Path | None, kind: str) -> dict[str, Tensor] | None:
    """Return the tensors of a kept file; None if it is absent or damaged, to be made again."""
    if path is None or not path.is_file():
        return None
    try:
        tensors, metadata = load_tensors(path, kind)
    except XraysynthError:
        return None
    return tensors if metadata.get("hash") else None


def keep_tensors(path: Path | None, kind: str, tensors: dict[str, Tensor]) -> None:
    """Keep tensors if a folder was named; a full disk or a folder of others costs only time."""
    if path is not None:
        with suppress(StorageError):
            save_tensors(path, tensors, {"kind": kind, "hash": tensors_hash(tensors)})


def kept_features(
    pictures: np.ndarray, network: nn.Module, kept: Kept, progress: Progress = silent
) -> Features:
    """Return `features_of` pictures, looked up where the same pictures were seen before.

    (n, row, col, 1 or 3) uint8
    """
    seen = hashlib.sha256(np.ascontiguousarray(pictures).tobytes()).hexdigest()
    facts = [NAME, torch.__version__, list(pictures.shape), seen]
    path = kept.path("features.safetensors", facts)
    found = kept_tensors(path, "features")
    if found is not None and _fit(found, len(pictures)):
        return Features(**{name: values.numpy() for name, values in found.items()})
    features = features_of(pictures, network, progress)
    tensors = {name: torch.from_numpy(values) for name, values in features._asdict().items()}
    keep_tensors(path, "features", tensors)
    return features


def _fit(found: dict[str, Tensor], count: int) -> bool:
    """Tell whether kept features are those of so many pictures."""
    rows = {len(values) if values.ndim else 0 for values in found.values()}
    return set(found) == set(Features._fields) and rows == {count}
