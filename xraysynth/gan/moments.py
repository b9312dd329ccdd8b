"""Hold generated scans to the means and covariances of real ones.

A discriminator sees a few scans at a time and forgives a generator that repeats itself. Running
moments see thousands: where generated scans vary too little, or one content looks unlike it should
on average, they pull. They are those of the coarse picture, which says where things lie; of what a
network that has seen photographs finds, if the discriminator looks through one; and of the labels,
so that the covariance also says what a content looks like.

References
----------
.. [1] Y. Mroueh, T. Sercu, V. Goel, "McGan: Mean and Covariance Feature Matching GAN", ICML 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.gan.config import NetworkConfig

REAL_WINDOW, FAKE_WINDOW = 8192, 2048
"""Scans over which moments run: real ones stay as they are, generated ones change."""
LABEL_GAIN = 3.0
"""How much a label counts beside a feature: there are few of them."""
LEAST = 512
"""Scans before the moments pull: a few say nothing of how much all vary."""
FLOOR = 1e-3
"""Share of the mean variance that is added to all: a feature that never moves is not blown up."""


class Moments(nn.Module):
    """Running first and second moments of pooled features and labels, of real and generated scans.

    Everything is a buffer, so that checkpoints hold it.
    """

    mean: Tensor
    second: Tensor
    scans: Tensor
    gain: Tensor

    def __init__(self, n_features: int, n_labels: int) -> None:
        super().__init__()
        size = n_features + n_labels
        gain = torch.ones(size)
        gain[n_features:] = LABEL_GAIN
        self.register_buffer("gain", gain, persistent=False)
        self.register_buffer("mean", torch.zeros(2, size))
        self.register_buffer("second", torch.zeros(2, size, size))
        self.register_buffer("scans", torch.zeros(()))

    @torch.no_grad()
    def follow(self, mean: Tensor, second: Tensor, count: int) -> None:
        """Take in the moments of `count` real and `count` generated scans.

        (2, size), (2, size, size): of the real ones, then of the generated ones
        """
        self.scans += count
        for row, window in enumerate((REAL_WINDOW, FAKE_WINDOW)):
            # Until a window is full all scans count alike.
            share = (count / self.scans).clamp(min=min(count / window, 1.0))
            self.mean[row].lerp_(mean[row], share)
            self.second[row].lerp_(second[row], share)

    def pull(self, seen: Tensor) -> Tensor:
        """Return a number whose gradient is that of the squared distance between the moments.

        Distances are measured in deviations of the real scans, and divided by the number of
        features. The present scans stand for all generated ones.

        (n, size) -> ()
        """
        if self.scans < LEAST:
            return 0.0 * seen.sum()
        real, fake = self.mean
        covariance = self.second[0] - torch.outer(real, real)
        variance = covariance.diagonal()
        scale = self.gain * (variance + FLOOR * variance.mean()).rsqrt()
        shift = fake - real
        cross = torch.outer(shift, real)
        about_real = self.second[1] - torch.outer(real, real) - cross - cross.T
        excess = (about_real - covariance) * scale * scale[:, None]
        standard = (seen - real) * scale
        towards = (standard @ (shift * scale)).mean()
        spread = (standard @ excess * standard).sum(dim=1).mean()
        return 2.0 * (towards + spread) / len(real)


def new_moments(sizes: NetworkConfig, n_frozen: int) -> Moments:
    """Return moments of nothing yet: of coarse pixels, `n_frozen` features, and labels."""
    rows, columns = sizes.base_grid
    return Moments(4 * rows * columns * sizes.image_channels + n_frozen, len(sizes.label_names))


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
