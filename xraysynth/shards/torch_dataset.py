"""Shards as a torch data set; the only file of the room that needs torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from xraysynth.shards.reader import ShardSet

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class ShardDataset(Dataset[dict[str, Any]]):
    """Samples as tensors, for `torch.utils.data.DataLoader` with any number of workers.

    Parameters
    ----------
    folder : as `xraysynth export` makes it
    transform : called with each sample, such as an augmentation
    """

    def __init__(self, folder: str | os.PathLike[str], transform: Transform | None = None) -> None:
        self.shards = ShardSet(folder)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample.

        Returns
        -------
        dict
            image (C, H, W) float32 in [0, 1]; mask (H, W) int64; overlap (H, W) int64, a bit a
            class; confidence (H, W) float32 in [0, 1]; sample_id; index.
        """
        sample = self.shards[index]
        image = sample["image"]
        scaled = image.transpose(2, 0, 1).astype(np.float32) / np.iinfo(image.dtype).max
        tensors = {
            "image": torch.from_numpy(scaled),
            "mask": torch.from_numpy(sample["mask"].astype(np.int64)),
            "overlap": torch.from_numpy(sample["overlap"].astype(np.int64)),
            "confidence": torch.from_numpy(sample["confidence"].astype(np.float32) / 255),
            "sample_id": sample["metadata"]["sample_id"],
            "index": sample["metadata"]["sample_index"],
        }
        return self.transform(tensors) if self.transform else tensors

    @property
    def class_names(self) -> list[str]:
        """Names of the classes; the place in the list is the id in `mask`."""
        return self.shards.class_names
