"""Where random choices take their numbers from: by the name of what they decide.

A draw asks for named numbers and does not know whether they are random. So tests can put
any quantile in the place of chance, and the drawing code needs no hook for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Chance(Protocol):
    """Where a draw takes its numbers from, by the name of what they decide."""

    def happens(self, name: str, probability: float) -> Tensor:
        """Return (n,) booleans, true with this probability."""

    def uniform(self, name: str, columns: int) -> Tensor:
        """Return (n, columns) numbers, uniform in [0, 1)."""

    def normal(self, name: str, columns: int) -> Tensor:
        """Return (n, columns) numbers from the standard normal distribution."""


@dataclass(frozen=True)
class RandomChance:
    """Independent numbers for every name and sample, in the order of asking."""

    n_samples: int
    rng: torch.Generator

    def happens(self, name: str, probability: float) -> Tensor:
        """Return (n,) booleans, true with this probability."""
        return self.uniform(name, 1)[:, 0] < probability

    def uniform(self, name: str, columns: int) -> Tensor:
        """Return (n, columns) numbers, uniform in [0, 1)."""
        shape = self.n_samples, columns
        return torch.rand(shape, generator=self.rng, device=self.rng.device, dtype=torch.float64)

    def normal(self, name: str, columns: int) -> Tensor:
        """Return (n, columns) numbers from the standard normal distribution."""
        shape = self.n_samples, columns
        return torch.randn(shape, generator=self.rng, device=self.rng.device, dtype=torch.float64)
