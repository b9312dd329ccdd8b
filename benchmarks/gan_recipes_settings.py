"""The recipes that `gan_recipes.py` compares: 64 px, one network but where widths are tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xraysynth.gan.train_config import TrainConfig

SEED = 0

PUBLISHED: dict[str, Any] = {"loss": "non_saturating", "r1_strength": 0.0002, "augment": "none"}
RELATIVISTIC = PUBLISHED | {
    "path_length_weight": 0,
    "ema_kimg": 5,
    "warmup_kimg": 2,
    "loss": "relativistic",
    "penalise_fakes": True,
    "r1_strength": 0.008,
    "learning_rate": 0.0025,
}
FINE_TUNED = RELATIVISTIC | {"init": "bundled"}
GROWTH = ((16, 20.0), (32, 60.0))
"""Resolutions of the grown recipes, each with the processor seconds at which it ends."""


@dataclass(frozen=True)
class Recipe:
    """Settings under a name."""

    name: str
    what: str
    settings: dict[str, Any]
    growth: tuple[tuple[int, float], ...] = field(default=())

    @property
    def config(self) -> TrainConfig:
        """The settings, as `train-gan` would take them."""
        return TrainConfig.model_validate(self.settings)

    def resolution_at(self, seconds: float, full: int) -> int:
        """Return the resolution that is due after so much processor time."""
        for resolution, end in self.growth:
            if seconds < end:
                return resolution
        return full


def widths(base: int) -> dict[str, Any]:
    """Return networks with channels of base / resolution."""
    return {"network": {"channel_base": base, "channel_max": base // 32}}


RECIPES = (
    Recipe("plain", "published: non-saturating, R1, path length, 64 px from the start", PUBLISHED),
    Recipe("relativistic", "relativistic pairs, R1 and R2 of 0.008, no path length", RELATIVISTIC),
    Recipe(
        "relativistic, ADA",
        "the same with adaptive augmentation, p free to rise to 1 in 100 thousand images",
        RELATIVISTIC | {"augment": "ada", "ada_kimg": 100},
    ),
    Recipe("grown", "relativistic, 16 and 32 px first", RELATIVISTIC, GROWTH),
    Recipe("grown, half width", "the same, half the channels", RELATIVISTIC | widths(1024), GROWTH),
    Recipe("fine-tuned", "relativistic, from the bundled generator and discriminator", FINE_TUNED),
    Recipe(
        "fine-tuned, freeze-D",
        "the same, the three finest of four discriminator blocks frozen",
        FINE_TUNED | {"freeze_discriminator": 3},
    ),
)
