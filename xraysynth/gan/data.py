"""Training scans: an endless shuffled stream in which every position is known beforehand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from xraysynth.errors import DamagedError, InputError
from xraysynth.gan.clutter import clutter_held, read_contents
from xraysynth.gan.config import UNKNOWN, Clutter
from xraysynth.gan.contents import LabelRows, multi_hot, read_labels, threats_beside
from xraysynth.gan.values import default_map, to_values
from xraysynth.randomness import stream
from xraysynth.scanfile import open_scans

LEAST_SIDE = 4
"""Doublings start from a grid of at least so many rows and columns."""


def base_grid(path: Path, size_px: tuple[int, ...]) -> tuple[tuple[int, int], int]:
    """Return the grid that doublings start from, and the resolution they end at.

    Raises
    ------
    InputError
        If height and width are not the same number of doublings away from a small grid.

    Examples
    --------
    >>> base_grid(Path("scans.h5"), (64, 96))
    ((4, 6), 64)
    """
    rows, columns = size_px
    doublings = 0
    while rows % 2 == columns % 2 == 0 and min(rows, columns) >= 2 * LEAST_SIDE:
        rows, columns, doublings = rows // 2, columns // 2, doublings + 1
    if doublings == 0 or max(rows, columns) > 64 or min(rows, columns) >= 2 * LEAST_SIDE:
        raise InputError(
            f"{path} holds scans of {size_px[0]} x {size_px[1]} pixels; training wants 4 to 7 "
            "times the same power of two, such as 64 x 64 or 64 x 96. Prepare or simulate them "
            "again with another size."
        )
    return (rows, columns), LEAST_SIDE * 2**doublings


_LOOKED_AT = 4096
"""Scans that tell the range of their pixels; all of a large file would take minutes."""


class ScanStream:
    """Batches of a `scans.h5`, read when needed: memory is flat in the number of scans.

    Position k of the stream is fixed by the seed: epoch k // N in its own order. So a
    resumed training sees what an uninterrupted one would have seen.
    """

    def __init__(  # noqa: PLR0913 (what decides the stream)
        self,
        path: Path,
        seed: int,
        *,
        mirror: bool,
        label_names: tuple[str, ...] = (),
        clutter: Clutter = (),
        read: bool = True,
    ) -> None:
        """Open a file; with `label_names` every scan comes with its labels, so with `clutter`.

        `read` false leaves open what the scans hold, whatever the file says.
        """
        with open_scans(path) as file:
            self.shape: tuple[int, ...] = file["images"].shape
            self.dtype: np.dtype[np.unsignedinteger] = file["images"].dtype
        if self.shape[0] == 0:
            raise InputError(f"{path} holds no scans; nothing to train on.")
        self.base_grid, self.resolution = base_grid(path, self.shape[1:3])
        self.value_map = default_map(self.shape[3])
        self.label_names = label_names
        rows: LabelRows = [None] * self.shape[0]
        if label_names and read:
            rows = read_labels(path)
        self._labels = multi_hot(rows, label_names).astype(np.float32)
        self.untold = threats_beside(rows, label_names)
        self.kinds = clutter
        self._clutter = clutter_held(read_contents(path) if clutter else [], clutter)
        self._file: h5py.File = h5py.File(path, "r")
        self._seed = seed
        self._mirror = mirror
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def batch(self, position: int, count: int, resolution: int) -> Tensor:
        """Return scans `position` to `position + count` of the stream.

        Returns
        -------
        (count, channels, height, width) float32 in [-1, 1], box-averaged if smaller
        """
        pixels = np.stack([self._scan(index) for index in range(position, position + count)])
        return to_values(pixels, self.value_map, self.resolution // resolution)

    def labels(
        self, position: int, count: int, *, drop: float, paired: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the labels of scans `position` to `position + count`, and those to draw by.

        Parameters
        ----------
        drop : share of samples whose labels are withheld, so that the networks learn to do
            without; only where "unknown" is among the label names
        paired : draw by the labels of the real scans themselves, so that each generated scan
            stands against a real one of the same contents; else by those of scans chosen at random

        Returns
        -------
        (count, labels) float32 twice, or None twice without label names
        """
        if not self.label_names:
            return None, None
        rng = stream(self._seed, "labels", position)
        real = self._labels[[self._index(place) for place in range(position, position + count)]]
        drawn = real if paired else self._labels[rng.integers(0, self.shape[0], count)]
        withheld = rng.random((2, count, 1)) < drop
        if paired:
            withheld[1] = withheld[0]
        if UNKNOWN in self.label_names:
            unknown = np.array([name == UNKNOWN for name in self.label_names], np.float32)
            real = np.where(withheld[0], unknown, real)
            drawn = np.where(withheld[1], unknown, drawn)
        return torch.from_numpy(real), torch.from_numpy(drawn)

    def clutter(self, position: int, count: int) -> Tensor | None:
        """Return the clutter of scans `position` to `position + count`.

        Returns
        -------
        (count, kinds) float32: 1 where a scan holds a kind, 0 where not, NaN where nobody said; or
        None without kinds
        """
        if not self.kinds:
            return None
        rows = [self._index(place) for place in range(position, position + count)]
        return torch.from_numpy(self._clutter[rows])

    def pixel_range(self) -> tuple[int, int]:
        """Return the least and greatest pixel, as far as up to `_LOOKED_AT` even picks tell."""
        count = self.shape[0]
        picks = np.linspace(0, count - 1, min(count, _LOOKED_AT)).round().astype(int)
        ends = [(int(scan.min()), int(scan.max())) for scan in map(self._read, picks)]
        least, greatest = min(low for low, _ in ends), max(high for _, high in ends)
        # Scans of a single value say nothing of what may be drawn.
        return (least, greatest) if least < greatest else (0, int(np.iinfo(self.dtype).max))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _scan(self, position: int) -> np.ndarray:
        """Return one scan (h, w, c), mirrored in every second epoch draw."""
        image = self._read(self._index(position))
        flip = self._mirror and self._flips[position % self.shape[0]]
        return image[:, ::-1] if flip else image

    def _read(self, index: int) -> np.ndarray:
        """Return a scan of the file (h, w, c)."""
        try:
            image: np.ndarray = self._file["images"][index]
        except OSError as error:
            raise DamagedError(
                f"{self._file.filename} is damaged: scan {index} cannot be read ({error}). Make it "
                "again, or copy it again."
            ) from error
        return image

    def _index(self, position: int) -> int:
        """Return which scan of the file stands at a position of the stream."""
        count = self.shape[0]
        epoch, offset = divmod(position, count)
        if epoch != self._epoch:
            rng = stream(self._seed, "epoch", epoch)
            self._order, self._epoch = rng.permutation(count), epoch
            self._flips = rng.random(count) < 0.5
        return int(self._order[offset])
