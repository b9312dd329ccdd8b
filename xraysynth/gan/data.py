"""Training scans: an endless shuffled stream in which every position is known beforehand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.sampling import to_tensor
from xraysynth.randomness import stream
from xraysynth.scanfile import open_scans


class ScanStream:
    """Batches of a `scans.h5`, read when needed: memory is flat in the number of scans.

    Position k of the stream is fixed by the seed: epoch k // N in its own order. So a
    resumed training sees what an uninterrupted one would have seen.
    """

    def __init__(self, path: Path, seed: int, *, mirror: bool) -> None:
        with open_scans(path) as file:
            self.shape: tuple[int, ...] = file["images"].shape
            self.dtype: np.dtype[np.unsignedinteger] = file["images"].dtype
        if self.shape[0] == 0:
            raise InputError(f"{path} holds no scans; nothing to train on.")
        self._file: h5py.File = h5py.File(path, "r")
        self._seed = seed
        self._mirror = mirror
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def batch(self, position: int, count: int, resolution: int) -> Tensor:
        """Return scans `position` to `position + count` of the stream.

        Returns
        -------
        (count, channels, resolution, resolution) float32 in [-1, 1], area-averaged if smaller
        """
        pixels = np.stack([self._scan(index) for index in range(position, position + count)])
        images = to_tensor(pixels)
        shrink = images.shape[-1] // resolution
        return images if shrink == 1 else F.avg_pool2d(images, shrink)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _scan(self, position: int) -> np.ndarray:
        """Return one scan (h, w, c), mirrored in every second epoch draw."""
        count = self.shape[0]
        epoch, offset = divmod(position, count)
        if epoch != self._epoch:
            rng = stream(self._seed, "epoch", epoch)
            self._order, self._epoch = rng.permutation(count), epoch
            self._flips = rng.random(count) < 0.5
        image: np.ndarray = self._file["images"][self._order[offset]]
        return image[:, ::-1] if self._mirror and self._flips[offset] else image
