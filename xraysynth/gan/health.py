"""Is the run alive: how varied its scans are, beside the real ones, and whether numbers are finite.

A generator that has collapsed draws one picture whatever the latent. Its spread over latents then
is a small share of that of real scans; a healthy one has about the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.errors import StageError
from xraysynth.gan.data import ScanStream
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.gan.state import TrainState
from xraysynth.gan.steps import START_ANEW
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.values import order_violations

N_SCANS = 64
"""Scans that are looked at."""
PATIENCE = 2
"""Snapshots in a row without variety that stop a run: one may come right again."""


def spread(images: Tensor) -> float:
    """Return the standard deviation over scans, averaged over pixels and channels.

    (n, c, h, w) of [-1, 1] -> [0, 1]

    Examples
    --------
    >>> spread(torch.ones(5, 1, 2, 2))
    0.0
    >>> spread(torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 1, 4, 4))
    1.0
    """
    return float(images.clamp(-1.0, 1.0).std(dim=0, correction=0).mean())


@torch.no_grad()
def measure_health(state: TrainState, stream: ScanStream, seed: int) -> dict[str, float]:
    """Return how varied generated and real scans are, and how often their channels are swapped.

    `diversity` is the spread of generated scans as a share of that of real ones;
    `order_violations` and `order_violations_real` are given for dual-energy scans alone.
    """
    average = state.average
    codes = latents(average, seed, range(N_SCANS)).to(state.device)
    drawn = torch.cat([average(part).cpu() for part in codes.split(16)])
    real = stream.batch(0, min(N_SCANS, stream.shape[0]), state.resolution)
    stats = {"diversity": spread(drawn) / max(spread(real), 1e-6)}
    if average.image_channels == 2:
        stats["order_violations"] = order_violations(generated_images(average, drawn))
        stats["order_violations_real"] = order_violations(generated_images(average, real))
    return stats


def check_variety(state: TrainState, diversity: float, config: TrainConfig) -> bool:
    """Tell whether a snapshot is worth keeping; counts those that are not.

    Raises
    ------
    StageError
        If this one and the one before it hardly vary, or a weight is not finite.
    """
    if not all(bool(torch.isfinite(value).all()) for value in state.average.parameters()):
        raise StageError(f"training diverged: a weight is not finite. {START_ANEW}")
    if diversity >= config.least_diversity:
        state.dull_snapshots = 0
        return True
    state.dull_snapshots += 1
    if state.dull_snapshots >= PATIENCE:
        raise StageError(
            f"training collapsed: generated scans vary {diversity:.2%} as much as the real ones, "
            f"want at least {config.least_diversity:.0%} (least_diversity). {START_ANEW}"
        )
    return False
