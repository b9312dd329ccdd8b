"""The loss of what the discriminator names: contents that were asked for, and clutter."""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.gan.config import UNKNOWN
from xraysynth.gan.losses import contents_loss
from xraysynth.gan.state import TrainState
from xraysynth.gan.train_config import TrainConfig


def misnamed(
    state: TrainState,
    named: Tensor | None,
    labels: Tensor | None,
    clutter: Tensor | None,
    config: TrainConfig,
) -> Tensor:
    """Return the weighted loss of named contents and clutter; 0 where none are named."""
    loss = torch.zeros((), device=state.device)
    if named is None:
        return loss
    network = state.discriminator.config
    count = len(network.contents)
    if labels is not None and config.contents_weight:
        known = torch.ones(len(labels), device=labels.device)
        if UNKNOWN in network.label_names:
            known = 1.0 - labels[:, network.label_names.index(UNKNOWN)]
        wanted = labels[:, network.content_columns]
        loss = loss + config.contents_weight * contents_loss(named[:, :count], wanted, known)
    if clutter is not None and config.clutter_weight:
        known = (~clutter.isnan().any(dim=1)).float()
        wanted = clutter.nan_to_num()
        loss = loss + config.clutter_weight * contents_loss(named[:, count:], wanted, known)
    return loss
