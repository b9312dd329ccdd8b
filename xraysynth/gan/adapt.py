"""The probability of augmentation, driven by how well real scans are told from generated ones."""

from __future__ import annotations

from xraysynth.gan.augment import adapt_p
from xraysynth.gan.state import TrainState
from xraysynth.gan.train_config import TrainConfig


def adapt_augmentation(state: TrainState, real_sign: float, config: TrainConfig) -> None:
    """Average the signs of the real scores and, every `ada_interval` steps, move p."""
    if config.augment != "ada":
        return
    state.sign_sum += real_sign
    if state.step % config.ada_interval == 0:
        mean_sign = state.sign_sum / config.ada_interval
        state.augment_p = adapt_p(
            state.augment_p,
            mean_sign,
            config.batch,
            target=config.ada_target,
            kimg=config.ada_kimg,
            interval=config.ada_interval,
        )
        state.sign_sum = 0.0
