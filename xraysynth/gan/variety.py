"""Steps that hold a training run's generated scans to the moments of its real ones."""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.gan.discriminator import Judgement
from xraysynth.gan.distributed import average
from xraysynth.gan.moments import batch_moments, coarse
from xraysynth.gan.state import TrainState
from xraysynth.gan.train_config import TrainConfig


def follow_moments(
    state: TrainState,
    seen: Tensor,
    judgement: Judgement,
    told: Tensor | None,
    config: TrainConfig,
) -> None:
    """Let the running moments take in the real and the generated scans of a batch."""
    if config.moments_weight:
        features = _followed(state, seen, judgement, told).detach()
        mean, second = batch_moments(features)
        state.moments.follow(average(mean), average(second), config.batch)


def pull_of_moments(
    state: TrainState,
    seen: Tensor,
    judgement: Judgement,
    told: Tensor | None,
    config: TrainConfig,
) -> Tensor:
    """Return the weighted pull towards the moments of real scans; 0 where none are followed.

    The mean of the batch is that over all processes.
    """
    if not config.moments_weight:
        return torch.zeros((), device=state.device)
    features = _followed(state, seen, judgement, told)
    centre = average(features.detach().mean(dim=0))
    return config.moments_weight * state.moments.pull(features, centre)


def _followed(state: TrainState, seen: Tensor, judgement: Judgement, told: Tensor | None) -> Tensor:
    """Return what running moments are taken of: (n, coarse pixels, features and what is told)."""
    parts = (coarse(seen, state.generator.config.base_grid), judgement.features, told)
    return torch.cat([part for part in parts if part is not None], dim=1)
