"""What a training run is: every knob, with its unit and range."""

from __future__ import annotations

from typing import Any, Literal

import pydantic
from pydantic import Field

from xraysynth.gan.augment import AugmentConfig
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.contents import LabelChoice
from xraysynth.gan.losses import LossName
from xraysynth.gan.precision import Precision
from xraysynth.gan.projected import ProjectedConfig
from xraysynth.settings import Settings

_LEAST = 8
"""Lowest resolution to train at, in pixels."""


class GrowthStep(Settings):
    """One stretch of training at a lower resolution."""

    resolution: int = Field(ge=_LEAST)
    """Height and width in pixels; a power of two below the full resolution."""
    kimg: float = Field(gt=0)
    """Thousands of images shown at this resolution."""
    batch: int | None = Field(None, ge=2, le=1024)
    """Images a step at this resolution; none means as at the full one."""


class TrainConfig(Settings):
    """Settings of `train_gan`; the defaults are the published schedule for a small batch."""

    kimg: float = Field(4.0, gt=0)
    """Thousands of real images to show in all; at least one image, 0.001."""
    init: str = ""
    """Generator to start from: "bundled", a file, or empty for random weights."""
    init_spread: float = Field(1.0, gt=0, le=3)
    """Factor on the codes of that generator about their mean: above 1 it starts varied and rough
    where it was repetitive and neat. Goes well with `moments_weight` and a small rate."""
    init_widen: bool = False
    """Give that generator the channels of `network`, more than it has: it draws the same scans at
    first, and can learn finer ones. With its `channel_max` its discriminator still fits."""
    network: NetworkConfig = NetworkConfig()
    """Sizes of the networks; ignored where `init` brings its own, but for `init_widen`."""
    labels: LabelChoice = "none"
    """Contents that scans can be asked for: "threats" for all that the scans' labels name, or a
    list of labels, such as [gun]; none for a generator that cannot be asked."""
    label_drop: float = Field(0.1, ge=0, lt=1)
    """Share of samples whose labels are withheld, so that scans can be drawn without asking."""
    contents_weight: float = Field(0.0, ge=0)
    """Weight of naming the contents, which the discriminator then learns from the labels and the
    generator is held to; 0 leaves that to the score alone."""
    clutter_weight: float = Field(0.0, ge=0)
    """Weight of naming the clutter: contents of the scans (simulated items, or labels) that no
    request names. Values of z then say which of them to draw; a generator that is not told to draws
    what is easy and drops the rest."""
    discriminator: Literal["residual", "joint"] = "residual"
    """Joint adds a projected one, which looks through a network that has seen photographs (extra
    `metrics`); the residual one alone is kept for fine-tuning."""
    moments_weight: float = Field(0.0, ge=0)
    """Weight of holding generated scans to the means and covariances of real ones, in the coarse
    picture and, with `joint`, in what its frozen network sees: against scans that are all alike."""
    projected: ProjectedConfig = ProjectedConfig()
    """Sizes of the projected discriminator."""
    growth: tuple[GrowthStep, ...] = ()
    """Lower resolutions to train first, as "16:48,32:104" or a list; empty for the published
    schedule. With `init` those below its resolution are left out."""
    batch: int = Field(16, ge=2, le=1024)
    """Images a step."""
    loss: LossName = "non_saturating"
    """Relativistic pairs of real and fake give varied pictures sooner."""
    learning_rate: float = Field(0.002, gt=0, le=0.1)
    """Adam's step size for both networks, before the lazy correction."""
    freeze_discriminator: int = Field(0, ge=0, le=9)
    """With `init`: so many of the discriminator's finest blocks stay as they were trained
    (freeze-D), until the first growth."""
    freeze_generator: bool = False
    """With `init` and scans of a higher resolution: all that the trained generator brings stays as
    it is, and only the blocks that growth adds learn. What it can draw, and how varied, is kept,
    and a step costs less."""
    r1_strength: float = Field(0.0002, ge=0, le=1)
    """Gradient penalty: gamma = strength x resolution^2 / batch, as published."""
    r1_interval: int = Field(16, ge=1)
    """Steps between gradient penalties."""
    penalise_fakes: bool = False
    """Also penalise the gradient at generated images (R2)."""
    path_length_weight: float = Field(2.0, ge=0)
    """Weight of path length regularisation; 0 leaves it out."""
    path_length_interval: int = Field(4, ge=1)
    """Steps between path length penalties."""
    style_mixing: float = Field(0.9, ge=0, le=1)
    """Share of samples whose later rows of w come from a second latent."""
    as_shown: bool = True
    """Let the discriminator see generated scans as an export would show them: no pixel beyond those
    of the real scans, which saturate in open air, and rounded to their bits."""
    ema_kimg: float = Field(10.0, gt=0)
    """Half-life of the averaged weights, in thousands of images."""
    ema_rampup: float = Field(0.05, gt=0)
    """Half-life as a share of the images seen, while that is shorter; ignored with `init`."""
    warmup_kimg: float = Field(0.0, ge=0)
    """Thousands of images over which the generator's rate rises from zero after start or growth."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    precision: Precision = "auto"
    """Of activations and their gradients; weights, penalties and losses are float32 always."""
    mirror: bool = True
    """Show scans mirrored left to right as often as not."""
    augment: Literal["ada", "none"] = "ada"
    """Adaptive augmentation, for few scans; none for plenty."""
    augmentations: AugmentConfig = AugmentConfig()
    """Which augmentations and how strong."""
    ada_target: float = Field(0.6, ge=0, le=1)
    """Mean sign of the real scores to aim at: 0.6 means that 80 % are recognised."""
    ada_kimg: float = Field(500.0, gt=0)
    """Thousands of images over which p may rise from 0 to 1; 100 suits a trained start."""
    ada_interval: int = Field(4, ge=1)
    """Steps between adaptations of p."""
    snapshot_kimg: float = Field(2.0, gt=0)
    """Thousands of images between checkpoints and sample grids."""
    least_diversity: float = Field(0.02, ge=0, le=1)
    """Spread of generated scans, as a share of that of the real ones, below which a run has
    collapsed; 0 never stops one."""
    tensorboard: bool = False
    """Also write statistics and sample grids for TensorBoard, to the folder `tensorboard`."""

    @pydantic.model_validator(mode="after")
    def _changes_what_was_trained(self) -> TrainConfig:
        if self.freeze_discriminator and not self.init:
            raise ValueError("freeze_discriminator wants `init`: random weights are not worth it")
        if self.freeze_generator and not self.init:
            raise ValueError("freeze_generator wants `init`: random weights are not worth it")
        if self.init_widen and not self.init:
            raise ValueError("init_widen wants `init`: new weights have the channels of `network`")
        if self.init_spread != 1.0 and not self.init:
            raise ValueError("init_spread wants `init`: it is the codes of a trained generator")
        return self

    @pydantic.model_validator(mode="after")
    def _names_what_is_labelled(self) -> TrainConfig:
        if self.contents_weight and self.labels == "none":
            raise ValueError("contents_weight wants `labels`: threats, or a list such as [gun]")
        return self

    @pydantic.field_validator("kimg")
    @classmethod
    def _shows_an_image(cls, kimg: float) -> float:
        if round(kimg * 1000) < 1:
            raise ValueError("should be at least 0.001, which is one image")
        return kimg

    @pydantic.field_validator("labels", mode="before")
    @classmethod
    def _labels_are_a_list(cls, labels: Any) -> Any:
        """Refuse no label, and one alone, which might as well be a misspelt "threats"."""
        if (isinstance(labels, (list, tuple)) and labels) or labels in ("none", "threats"):
            return labels
        example = labels if isinstance(labels, str) and labels else "gun"
        raise ValueError(f"should be none, threats, or a list of labels such as [{example}]")

    @pydantic.field_validator("growth", mode="before")
    @classmethod
    def _growth_from_text(cls, growth: Any) -> Any:
        """Read "16:48,32:104" or "16:48:64": resolution, thousands of images, images a step."""
        if growth is None:  # What YAML makes of no text at all.
            return ()
        if isinstance(growth, int | float):
            growth = _from_sixtieths(growth)
        if not isinstance(growth, str):
            return growth
        names = ("resolution", "kimg", "batch")
        stages = [stage.split(":") for stage in growth.split(",") if stage.strip()]
        if any(not 2 <= len(parts) <= 3 for parts in stages):
            raise ValueError("should be resolution:kimg or resolution:kimg:batch, comma between")
        return [dict(zip(names, map(_number, parts), strict=False)) for parts in stages]

    @pydantic.field_validator("growth")
    @classmethod
    def _growth_rises(cls, growth: tuple[GrowthStep, ...]) -> tuple[GrowthStep, ...]:
        sizes = [step.resolution for step in growth]
        if any(size & (size - 1) for size in sizes) or sizes != sorted(set(sizes)):
            raise ValueError(f"should name rising powers of two, such as 16 and 32, not {sizes}")
        return growth

    def at(self, resolution: int) -> TrainConfig:
        """Return the settings of the stage at a resolution: its own batch, if it names one."""
        for step in self.growth:
            if step.resolution == resolution and step.batch is not None:
                return self.model_copy(update={"batch": step.batch})
        return self


def _from_sixtieths(number: float) -> str:
    """Return the text that YAML took for hours and minutes: a bare 16:48 reads as 16 * 60 + 48.

    Raises
    ------
    ValueError
        If two schedules are that number: 8:32:16 and 512:16 are the only kind.

    Examples
    --------
    >>> _from_sixtieths(16 * 60 + 48), _from_sixtieths(8 * 60 + 0.5)
    ('16:48', '8:0.5')
    >>> _from_sixtieths((16 * 60 + 48) * 60 + 32)
    '16:48:32'
    >>> _from_sixtieths(16)
    '16'
    """
    if not 60 <= number < 1e9:  # No pair, but one number; nor is NaN.
        return f"{number:.6g}"
    whole, last = divmod(number, 60)
    parts, head = [f"{last:.6g}"], int(whole)
    if head == 512:
        raise ValueError(
            f"should end with a comma: 8:32:{parts[0]} and 512:{parts[0]} are one number to YAML "
            "without it"
        )
    # No power of two, hence no resolution, but hours and minutes of 8 hours or more.
    if head & (head - 1) and head >= _LEAST * 60:
        parts.insert(0, str(head % 60))
        head //= 60
    return ":".join([str(head), *parts])


def _number(text: str) -> int | float | str:
    """Return a number where there is one; what is none is left for the field to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
