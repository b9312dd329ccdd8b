"""Hold generated scans to the means and covariances of real ones.

A discriminator sees a few scans at a time and forgives a generator that repeats itself. Running
moments see thousands: where generated scans vary too little, or one content looks unlike it should
on average, they pull. They are those of the coarse picture, which says where things lie; of what a
network that has seen photographs would name a picture by, if the discriminator looks through one;
and of what discriminators are told of them, so that the covariance also says how contents look.

Covariances are taken within batches: a generator that wanders, all its scans alike at any one time,
would otherwise pass for one whose scans vary.

References
----------
.. [1] Y. Mroueh, T. Sercu, V. Goel, "McGan: Mean and Covariance Feature Matching GAN", ICML 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.gan.config import NetworkConfig

COVARIANCE_WINDOW, MEAN_WINDOW = 8192, 512
"""Scans over which covariances and the generated scans' means run. Means are few numbers, well
known from fewer scans, and a pull that answers late makes the generator swing."""
LEAST = 1024
"""Scans before the moments pull: a few say nothing of how much all vary."""
RENEWAL = 4096
"""Scans between two looks at the directions in which real scans vary."""
RANK = 48
"""Directions that count in full. Below the variance of the last of them a direction fades out: of
more, some thousand scans say more by chance than in truth."""
COARSE, FROZEN, LABELS = 1.5, 1.0, 0.25
"""How much the three groups of features vary in all, once brought to one scale. With a coarse part
of 0.5 layouts went on repeating themselves, whatever the weight of the pull."""


class Moments(nn.Module):
    """Running means and covariances of groups of features, of real and generated scans.

    Everything is a buffer, so that checkpoints hold it.

    Parameters
    ----------
    groups : features of each group, and the total variance that they are brought to
    """

    mean: Tensor
    covariance: Tensor
    weight: Tensor
    scans: Tensor

    def __init__(self, groups: tuple[tuple[int, float], ...] = ()) -> None:
        super().__init__()
        self.groups = tuple(group for group in groups if group[0])
        size = sum(count for count, _ in self.groups)
        self.register_buffer("mean", torch.zeros(2, size))
        self.register_buffer("covariance", torch.zeros(2, size, size))
        self.register_buffer("weight", torch.zeros(size, size))
        self.register_buffer("scans", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, mean: Tensor, second: Tensor, count: int) -> None:
        """Take in the moments of a batch: `count` real and `count` generated scans.

        (2, size), (2, size, size): of the real ones, then of the generated ones
        """
        before = int(self.scans)
        self.scans += count
        after = before + count
        # Until a window is full all scans count alike.
        slow, quick = (
            min(count / min(after, window), 1.0) for window in (COVARIANCE_WINDOW, MEAN_WINDOW)
        )
        self.mean[0].lerp_(mean[0], slow)
        self.mean[1].lerp_(mean[1], quick)
        self.covariance.lerp_(second - mean[:, :, None] * mean[:, None], slow)
        if after >= LEAST and (before < LEAST or before // RENEWAL < after // RENEWAL):
            self.weight.copy_(self._weight())

    def _weight(self) -> Tensor:
        """Return the inverse covariance of the real scans; small variances are raised first."""
        covariance = self.covariance[0]
        parts = covariance.diagonal().split([count for count, _ in self.groups])
        scale = torch.cat(
            [
                (total / part.sum().clamp(min=1e-8)).sqrt().expand(len(part))
                for part, (_, total) in zip(parts, self.groups, strict=True)
            ]
        )
        variance, basis = torch.linalg.eigh(covariance * scale * scale[:, None])
        variance, basis = variance.clamp(min=0.0), basis * scale[:, None]
        least = variance[-min(RANK, len(variance))].clamp(min=1e-8)
        return basis / (variance + least) @ basis.T

    def pull(self, seen: Tensor, centre: Tensor) -> Tensor:
        """Return a number whose gradient is that of the squared distance between the moments.

        Distances are measured in deviations of the real scans, summed over directions, and divided
        by `RANK`. The present scans stand for all generated ones; `centre` is the mean of their
        batch, without gradient.

        (n, size), (size) -> ()
        """
        if self.scans < LEAST:
            return 0.0 * seen.sum()
        real, fake = self.mean
        excess = self.covariance[1] - self.covariance[0]
        apart = (seen - centre) @ self.weight
        towards = seen @ (self.weight @ (fake - real))
        spread = (apart @ excess * apart).sum(dim=1)
        return 2.0 * (towards + spread).mean() / RANK


def new_moments(sizes: NetworkConfig, n_frozen: int) -> Moments:
    """Return moments of nothing yet: of coarse pixels, `n_frozen` features, and what is told."""
    rows, columns = sizes.base_grid
    n_coarse = 4 * rows * columns * sizes.image_channels
    return Moments(((n_coarse, COARSE), (n_frozen, FROZEN), (sizes.n_told, LABELS)))


def coarse(images: Tensor, base_grid: tuple[int, int]) -> Tensor:
    """Return the picture's means over two by two places of the base grid.

    (n, channels, h, w) -> (n, 4 channels rows columns)
    """
    rows, columns = base_grid
    return F.adaptive_avg_pool2d(images.float(), (2 * rows, 2 * columns)).flatten(1)


def batch_moments(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and second moment of the real half of a batch, then of the generated one.

    (2 n, size) -> (2, size), (2, size, size)
    """
    halves = torch.stack(seen.chunk(2))
    return halves.mean(dim=1), halves.transpose(1, 2) @ halves / halves.shape[1]
