"""Adaptive discriminator augmentation (ADA): what is drawn, how it is applied, how p moves.

Chance is data: `draw_augmentation` chooses, `apply_augmentation` obeys. Hue, saturation and
luma flips of the published method are left out, because no X-ray scanner shows them.

References
----------
.. [1] T. Karras et al., "Training Generative Adversarial Networks with Limited Data",
   NeurIPS 2020, section 3 and appendix B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from xraysynth.gan.affine import rotation, scaling, translation
from xraysynth.gan.chance import Chance, RandomChance
from xraysynth.gan.distributed import Share
from xraysynth.gan.values import ValueMap, thickened
from xraysynth.gan.warp import warp
from xraysynth.settings import Settings

TRANSMISSION_FLOOR = 1e-2
"""Below this transmission, where noise rules, exposure no longer scales the line integral."""


class AugmentConfig(Settings):
    """Which augmentations are drawn (share of p, 0 is never) and how strong they are."""

    xflip: float = Field(1.0, ge=0, le=1)
    """Share of p of mirroring left to right."""
    rotate90: float = Field(1.0, ge=0, le=1)
    """Share of p of quarter turns."""
    xint: float = Field(1.0, ge=0, le=1)
    """Share of p of shifts by whole pixels."""
    scale: float = Field(1.0, ge=0, le=1)
    """Share of p of isotropic scaling."""
    rotate: float = Field(1.0, ge=0, le=1)
    """Share of p of rotation by any angle."""
    aniso: float = Field(1.0, ge=0, le=1)
    """Share of p of stretching that keeps the area."""
    xfrac: float = Field(1.0, ge=0, le=1)
    """Share of p of shifts by fractions of a pixel."""
    brightness: float = Field(0.0, ge=0, le=1)
    """Share of p of adding a constant."""
    contrast: float = Field(0.0, ge=0, le=1)
    """Share of p of a factor on the pixel values."""
    exposure: float = Field(0.0, ge=0, le=1)
    """Share of p of a factor on the line integral; for grey and for low and high energy."""
    xint_max: float = Field(0.125, ge=0, le=1)
    """Largest whole-pixel shift, as a part of the size."""
    scale_std: float = Field(0.2, ge=0, le=1)
    """Standard deviation of the isotropic scale, in octaves."""
    rotate_max_deg: float = Field(180.0, ge=0, le=180)
    """Largest rotation to either side, in degrees."""
    aniso_std: float = Field(0.2, ge=0, le=1)
    """Standard deviation of the stretching, in octaves."""
    xfrac_std: float = Field(0.125, ge=0, le=1)
    """Standard deviation of the fractional shift, as a part of the size."""
    brightness_std: float = Field(0.2, ge=0, le=2)
    """Standard deviation of the constant; pixel values span [-1, 1]."""
    contrast_std: float = Field(0.5, ge=0, le=2)
    """Standard deviation of the pixel factor, in octaves."""
    exposure_std: float = Field(0.2, ge=0, le=2)
    """Standard deviation of the line integral's factor, in octaves."""


@dataclass(frozen=True, kw_only=True)
class AugmentDraw:
    """What was chosen for each of n scans; a part that nothing changes is None."""

    affine: Tensor | None = None
    """(n, 3, 3) where a point goes, in pixels about the centre; see `warp`."""
    exposure: Tensor | None = None
    """(n,) factor on the line integral."""
    contrast: Tensor | None = None
    """(n,) factor on the pixel values, after the brightness."""
    brightness: Tensor | None = None
    """(n,) constant added to the pixel values."""

    def rows(self, share: Share) -> AugmentDraw:
        """Return what was chosen for one process's samples of the joined batch."""
        parts = {
            name: None if part is None else share.of(part) for name, part in vars(self).items()
        }
        return AugmentDraw(**parts)


def draw_augmentation(
    config: AugmentConfig, p: float, n_samples: int, size: tuple[int, int], rng: torch.Generator
) -> AugmentDraw:
    """Choose the augmentation of `n_samples` scans.

    Parameters
    ----------
    config : which augmentations, how strong
    p : probability of each, in [0, 1]; see `adapt_p`
    n_samples : number of scans
    size : (height, width) in pixels
    rng : best on the processor, so that the accelerator need not be waited for

    Examples
    --------
    >>> rng = torch.Generator().manual_seed(0)
    >>> draw_augmentation(AugmentConfig(), 0.0, 4, (64, 64), rng)
    AugmentDraw(affine=None, exposure=None, contrast=None, brightness=None)
    """
    return draw_from(config, p, size, RandomChance(n_samples, rng))


def draw_from(
    config: AugmentConfig, p: float, size: tuple[int, int], chance: Chance
) -> AugmentDraw:
    """Choose augmentations with the numbers of `chance`. See `draw_augmentation`."""
    if p <= 0:
        return AugmentDraw()
    return AugmentDraw(
        affine=_draw_affine(config, p, size, chance),
        exposure=_draw_octaves(config, p, "exposure", chance) if config.exposure else None,
        contrast=_draw_octaves(config, p, "contrast", chance) if config.contrast else None,
        brightness=_draw_brightness(config, p, chance) if config.brightness else None,
    )


def apply_augmentation(
    images: Tensor, draw: AugmentDraw, value_map: ValueMap = "linear", bits: int = 8
) -> Tensor:
    """Augment scans as drawn. Deterministic, and twice differentiable in `images`.

    Scans whose matrix is the identity are not resampled, which changes nothing but the time:
    the filters of `warp` reconstruct them.

    Parameters
    ----------
    images : (n, channels, height, width)
        About [-1, 1]; for `exposure`, 1 is open air and -1 opaque.
    draw : for the same n and size
    value_map, bits : how pixels became these values, and the bits that they had

    Returns
    -------
    (n, channels, height, width)
        `images` itself if nothing was drawn.
    """
    if draw.affine is not None:
        images = _warp_moved(images, draw.affine)
    if draw.exposure is not None:
        factor = _per_image(draw.exposure, images)
        linear = value_map == "linear"
        images = expose(images, factor) if linear else thickened(images, factor, bits)
    if draw.brightness is not None:
        images = images + _per_image(draw.brightness, images)
    if draw.contrast is not None:
        images = images * _per_image(draw.contrast, images)
    return images


def expose(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the line integral -ln T of transmissions T = (x + 1) / 2 by a factor.

    Below `TRANSMISSION_FLOOR` the curve goes on with slope 1, so that gradients stay finite.

    Examples
    --------
    Twice the thickness of something that passes half the beam passes a quarter.

    >>> expose(torch.tensor([1.0, 0.0]), torch.tensor(2.0))
    tensor([ 1.0000, -0.5000])
    """
    transmission = (images + 1) / 2
    clear = transmission.clamp(min=TRANSMISSION_FLOOR)
    return 2 * (clear**factor + (transmission - clear)) - 1


def adapt_p(  # noqa: PLR0913 (six numbers of one equation)
    p: float,
    mean_sign: float,
    batch: int,
    *,
    target: float = 0.6,
    kimg: float = 500.0,
    interval: int = 4,
) -> float:
    """Return the next augmentation probability.

    Parameters
    ----------
    p : present probability
    mean_sign : mean of sign(D(real)) over the last `interval` batches, in [-1, 1]
    batch : scans a batch
    target : `mean_sign` at which p stays; above it the discriminator overfits and p grows
    kimg : thousands of scans in which p can go from 0 to 1
    interval : batches between two changes

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    .. [1] NeurIPS 2020, section 3.1, equation 1 (r_t) and the text below it.

    Examples
    --------
    >>> adapt_p(0.2, 0.9, 125)
    0.201
    """
    direction = (mean_sign > target) - (mean_sign < target)
    return min(1.0, max(0.0, p + direction * batch * interval / (kimg * 1000)))


def _draw_affine(config: AugmentConfig, p: float, size: tuple[int, int], chance: Chance) -> Tensor:
    """Compose the geometric transformations in the paper's order, first to the right."""
    height, width = size
    extent = torch.tensor([width, height], dtype=torch.float64)
    flipped = chance.happens("xflip", p * config.xflip)
    mirror = 1 - 2 * _chosen(flipped, (2 * chance.uniform("xflip", 1)[:, 0]).floor())
    turned = chance.happens("rotate90", p * config.rotate90)
    quarters = _chosen(turned, (4 * chance.uniform("rotate90", 1)[:, 0]).floor())
    jumped = chance.happens("xint", p * config.xint)
    span = (2 * chance.uniform("xint", 2) - 1) * config.xint_max
    jump = _chosen(jumped[:, None], (span * extent.to(span)).round())
    zoom = _draw_octaves(config, p, "scale", chance)
    first_turn = _draw_turn(config, p, "rotate_before", chance)
    stretch = _draw_octaves(config, p, "aniso", chance)
    second_turn = _draw_turn(config, p, "rotate_after", chance)
    shifted = chance.happens("xfrac", p * config.xfrac)
    shift = _chosen(shifted[:, None], chance.normal("xfrac", 2) * config.xfrac_std)
    return (
        translation(shift * extent.to(shift))
        @ rotation(second_turn)
        @ scaling(stretch, 1 / stretch)
        @ rotation(first_turn)
        @ scaling(zoom, zoom)
        @ translation(jump)
        @ rotation(quarters * (math.pi / 2))
        @ scaling(mirror, torch.ones_like(mirror))
    )


def _draw_octaves(config: AugmentConfig, p: float, name: str, chance: Chance) -> Tensor:
    """Return (n,) factors, log-normal where drawn, else 1."""
    share, deviation = getattr(config, name), getattr(config, f"{name}_std")
    happens = chance.happens(name, p * share)
    return _chosen(happens, chance.normal(name, 1)[:, 0] * deviation).exp2()


def _draw_turn(config: AugmentConfig, p: float, name: str, chance: Chance) -> Tensor:
    """Return (n,) angles in radians; with a turn before and one after, p is that of either."""
    happens = chance.happens(name, 1 - math.sqrt(1 - p * config.rotate))
    turn = (2 * chance.uniform(name, 1)[:, 0] - 1) * math.radians(config.rotate_max_deg)
    return _chosen(happens, turn)


def _draw_brightness(config: AugmentConfig, p: float, chance: Chance) -> Tensor:
    """Return (n,) constants."""
    happens = chance.happens("brightness", p * config.brightness)
    return _chosen(happens, chance.normal("brightness", 1)[:, 0] * config.brightness_std)


def _chosen(happens: Tensor, value: Tensor) -> Tensor:
    """Return the value where it happens, else 0."""
    return torch.where(happens, value, torch.zeros_like(value))


def _warp_moved(images: Tensor, affine: Tensor) -> Tensor:
    """Warp those scans whose matrix is not the identity."""
    still = torch.eye(3).to(affine)
    moved = (affine != still).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(moved) == 0:
        return images
    here = moved.to(images.device)
    return images.index_copy(0, here, warp(images[here], affine[moved]))


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    """(n,) -> (n, 1, 1, 1), as the images are."""
    return values.to(images)[:, None, None, None]
