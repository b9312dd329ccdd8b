"""Adaptive augmentation: parity with the reference, exact resampling, gradients, chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from xraysynth.errors import SettingsError
from xraysynth.gan import warp as warping
from xraysynth.gan.affine import rotation, scaling, translation
from xraysynth.gan.augment import (
    TRANSMISSION_FLOOR,
    AugmentConfig,
    AugmentDraw,
    adapt_p,
    apply_augmentation,
    draw_augmentation,
    draw_from,
    expose,
)
from xraysynth.gan.values import thickened, to_values
from xraysynth.gan.warp import SYM6, halving_matrix, warp
from xraysynth.settings import settings_from_mapping

GEOMETRY = ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac")
COLOUR = ("brightness", "contrast")
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Quantile:
    """In the place of chance: everything happens, every number is the same quantile.

    The reference takes erfinv(2 Q - 1), without the factor sqrt 2, for a normal number, and
    no rotation after the stretching.
    """

    quantile: float
    n_samples: int

    def happens(self, name: str, probability: float) -> Tensor:
        return torch.full((self.n_samples,), probability > 0)

    def uniform(self, name: str, columns: int) -> Tensor:
        quantile = 0.5 if name == "rotate_after" else self.quantile
        return torch.full((self.n_samples, columns), quantile, dtype=torch.float64)

    def normal(self, name: str, columns: int) -> Tensor:
        return torch.erfinv(2 * self.uniform(name, columns) - 1)


def only(*names: str, **changes: float) -> AugmentConfig:
    """Return the config in which nothing but the named augmentations happens."""
    shares = dict.fromkeys((*GEOMETRY, *COLOUR, "exposure"), 0.0) | dict.fromkeys(names, 1.0)
    return AugmentConfig.model_validate(shares | changes)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_scan(height: int, width: int) -> Tensor:
    """Return one image of low frequency, which filters hardly change."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = columns - (width - 1) / 2, rows - (height - 1) / 2
    return (-((x - 3) ** 2 + 2 * (y + 2) ** 2) / 60).exp()[None, None]


# Reference values


@pytest.mark.parametrize("quantile", [0.2, 0.8])
@pytest.mark.parametrize("name", [*GEOMETRY, *COLOUR, "blit_geom"])
def test_each_augmentation_meets_the_reference(shared: Path, name: str, quantile: float) -> None:
    config = only(*(GEOMETRY if name == "blit_geom" else (name,)))
    with np.load(shared / "reference" / "stylegan2_ada_tiny.npz") as reference:
        images = torch.from_numpy(reference["augment_input"])
        expected = torch.from_numpy(reference[f"augment/{name}/debug_percentile={quantile}"])
    draw = draw_from(config, 1.0, (32, 32), Quantile(quantile, len(images)))
    assert (apply_augmentation(images, draw) - expected).abs().max() < TOLERANCE


def test_filter_is_the_symlet_of_six_moments() -> None:
    wavelet = pytest.importorskip("pywt", reason="PyWavelets is not installed").Wavelet("sym6")
    np.testing.assert_allclose(SYM6, wavelet.dec_lo, rtol=0, atol=1e-15)


def test_filter_is_orthonormal_with_six_vanishing_moments() -> None:
    taps = np.array(SYM6)
    for shift in range(6):
        overlap = float(taps[2 * shift :] @ taps[: len(taps) - 2 * shift])
        assert overlap == pytest.approx(float(shift == 0), abs=1e-10)
    position = np.arange(12.0) - 5.5
    for moment in range(6):
        assert float((-1.0) ** np.arange(12) * taps @ position**moment) == pytest.approx(
            0, abs=1e-7
        )


@pytest.mark.parametrize(
    ("p", "mean_sign", "changes", "expected"),
    [
        pytest.param(0.0, 0.7, {}, 64 * 4 / 500_000, id="overfits-rises-by-256-of-500k"),
        pytest.param(0.1, 0.5, {}, 0.1 - 64 * 4 / 500_000, id="falls-alike"),
        pytest.param(0.1, 0.6, {}, 0.1, id="at-target-stays"),
        pytest.param(0.0001, -1.0, {}, 0.0, id="floored-at-0"),
        pytest.param(0.9999, 1.0, {}, 1.0, id="capped-at-1"),
        pytest.param(0.2, 0.9, {"kimg": 100.0}, 0.20256, id="five-times-faster-on-resuming"),
        pytest.param(0.2, 0.5, {"target": 0.4, "interval": 8}, 0.201024, id="other-target"),
    ],
)
def test_probability_moves_by_hand_computed_steps(
    p: float, mean_sign: float, changes: dict[str, float], expected: float
) -> None:
    moved = adapt_p(p, mean_sign, 64, **changes)  # type: ignore[arg-type]
    assert moved == pytest.approx(expected, abs=1e-12)


def test_exposure_doubles_thickness_by_beers_law() -> None:
    line_integral = torch.tensor([0.0, 0.3, 1.0, 2.0])
    once, twice = 2 * (-line_integral).exp() - 1, 2 * (-2 * line_integral).exp() - 1
    torch.testing.assert_close(expose(once, torch.tensor(2.0)), twice)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_exposure_doubles_thickness_in_scans_of_two_energies(dtype: type, bits: int) -> None:
    top = 2**bits - 1

    def values(transmission: list[float]) -> Tensor:
        pixels = np.round(np.array(transmission) * top).astype(dtype)
        return to_values(np.stack([pixels, pixels], -1)[None, None], "line_integral")

    draw = AugmentDraw(exposure=torch.tensor([2.0]))
    seen = apply_augmentation(values([1.0, 0.5, 0.2]), draw, "line_integral", bits)
    torch.testing.assert_close(seen, values([1.0, 0.25, 0.04]), rtol=0, atol=0.02)


def test_exposure_of_two_energies_has_finite_slopes_beyond_its_range() -> None:
    images = torch.tensor([-3.0, -1.0, 1.0, 1.5]).view(1, 1, 2, 2).requires_grad_(True)
    exposed = thickened(images, torch.tensor(3.0), 16)
    (slope,) = torch.autograd.grad(exposed.sum(), images)
    assert slope.isfinite().all()
    assert slope.flatten()[[0, 3]].tolist() == [1.0, 1.0]


def test_brightness_comes_before_contrast() -> None:
    draw = AugmentDraw(contrast=torch.tensor([2.0]), brightness=torch.tensor([0.25]))
    assert apply_augmentation(torch.full((1, 1, 2, 2), 0.5), draw).unique().item() == 1.5


# Invariants


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(4, 17),
    width=st.integers(4, 17),
    shift=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
)
def test_whole_pixel_shift_equals_moving_the_reflected_picture(
    height: int, width: int, shift: tuple[int, int]
) -> None:
    image = torch.rand(1, 2, height, width, generator=chance())
    moved = warp(image, translation(torch.tensor([shift], dtype=torch.float64)))
    margin = 40
    padding = ((0, 0), (0, 0), (margin, margin), (margin, margin))
    padded = np.pad(image.numpy(), padding, mode="reflect")
    top, left = margin - shift[1], margin - shift[0]
    expected = padded[:, :, top : top + height, left : left + width]
    np.testing.assert_allclose(moved.numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        pytest.param(scaling(-torch.ones(1), torch.ones(1)), "flip", id="mirror"),
        pytest.param(rotation(torch.tensor([math.pi / 2])), "rot90", id="quarter-turn"),
    ],
)
def test_smooth_scan_is_mirrored_and_turned(matrix: Tensor, turned: str) -> None:
    image = smooth_scan(24, 24)
    expected = image.flip(3) if turned == "flip" else torch.rot90(image, 1, (2, 3))
    # sym6 is nearly, not quite, symmetric: a tenth of a pixel remains, in the reference too.
    assert (warp(image, matrix.double()) - expected).abs().max() < 0.02


def test_rotation_there_and_back_gives_the_smooth_scan_of_any_shape() -> None:
    image = smooth_scan(24, 40)
    there = warp(image, rotation(torch.tensor([0.3], dtype=torch.float64)))
    back = warp(there, rotation(torch.tensor([-0.3], dtype=torch.float64)))
    assert (back - image)[:, :, 6:-6, 10:-10].abs().max() < 0.01
    assert (there - image).abs().max() > 0.1


def test_constant_scan_stays_constant_under_any_geometry() -> None:
    images = torch.full((16, 1, 12, 20), 0.7)
    draw = draw_augmentation(AugmentConfig(), 1.0, 16, (12, 20), chance())
    torch.testing.assert_close(apply_augmentation(images, draw), images, rtol=0, atol=1e-5)


def test_each_scan_depends_on_its_own_draw_only() -> None:
    images = torch.rand(8, 3, 16, 16, generator=chance())
    draw = draw_augmentation(AugmentConfig(), 0.2, 8, (16, 16), chance(1))
    assert draw.affine is not None
    together = apply_augmentation(images, draw)
    for index in range(8):
        alone = AugmentDraw(affine=draw.affine[index : index + 1])
        one = apply_augmentation(images[index : index + 1], alone)
        torch.testing.assert_close(together[index : index + 1], one, rtol=0, atol=1e-6)


def test_half_precision_scans_keep_their_type() -> None:
    images = torch.rand(2, 3, 16, 16, generator=chance()).bfloat16()
    draw = draw_augmentation(only(*GEOMETRY, *COLOUR, "exposure"), 1.0, 2, (16, 16), chance())
    assert apply_augmentation(images, draw).dtype == torch.bfloat16


def test_autocast_does_not_round_the_resampling() -> None:
    image = torch.rand(1, 1, 16, 16, generator=chance())
    with torch.autocast("cpu", torch.bfloat16):
        same = warp(image, torch.eye(3, dtype=torch.float64)[None])
    torch.testing.assert_close(same, image, rtol=0, atol=1e-5)


# Gradients


def test_lookup_has_first_and_second_derivatives() -> None:
    grid = torch.rand(2, 4, 3, 2, generator=chance(), dtype=torch.float64) * 2 - 1
    images = torch.rand(2, 2, 5, 6, generator=chance(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: warping._look_up(values, grid), images)
    assert torch.autograd.gradgradcheck(lambda values: warping._look_up(values, grid), images)


def test_gradient_penalty_through_augmentation_equals_the_matrix_form() -> None:
    draw = draw_augmentation(only(*GEOMETRY), 1.0, 1, (6, 6), chance())
    image = torch.rand(1, 1, 6, 6, generator=chance())
    matrix = torch.autograd.functional.jacobian(
        lambda values: apply_augmentation(values.view(1, 1, 6, 6), draw).flatten(), image.flatten()
    )
    weight = torch.rand(36, generator=chance(1)).requires_grad_()

    def penalty_slope(penalised: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(penalised, weight)
        return slope

    image.requires_grad_()
    score = (apply_augmentation(image, draw).flatten() * weight).square().sum()
    (gradient,) = torch.autograd.grad(score, image, create_graph=True)
    explicit = matrix.T @ (2 * weight.square() * (matrix @ image.detach().flatten()))
    torch.testing.assert_close(gradient.flatten(), explicit, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        penalty_slope(gradient.square().sum()),
        penalty_slope(explicit.square().sum()),
        rtol=1e-3,
        atol=1e-3,
    )


def test_gradients_stay_finite_where_the_scan_is_opaque() -> None:
    images = torch.tensor([-1.5, -1.0, -0.999, 0.0, 1.0, 1.2], requires_grad=True)
    exposed = expose(images, torch.tensor(0.5))
    (gradient,) = torch.autograd.grad(exposed.square().sum(), images, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), images)
    assert gradient.isfinite().all() and second.isfinite().all()
    assert (exposed[1:] > exposed[:-1]).all()
    assert (images[1] + 1) / 2 < TRANSMISSION_FLOOR


# Chance


def test_probability_zero_returns_the_very_same_scans() -> None:
    images = torch.rand(4, 3, 16, 16)
    draw = draw_augmentation(AugmentConfig(), 0.0, 4, (16, 16), chance())
    assert apply_augmentation(images, draw) is images


def test_nothing_switched_on_moves_no_scan() -> None:
    images = torch.rand(4, 3, 16, 16)
    draw = draw_augmentation(only(), 1.0, 4, (16, 16), chance())
    assert apply_augmentation(images, draw) is images


@pytest.mark.parametrize(
    ("name", "moved_share"),
    [("xflip", 0.5), ("rotate90", 0.75), ("scale", 1.0), ("rotate", 1.0), ("xfrac", 1.0)],
)
def test_augmentation_happens_with_probability_p(name: str, moved_share: float) -> None:
    n_samples, p = 4000, 0.3
    draw = draw_augmentation(only(name), p, n_samples, (16, 16), chance())
    assert draw.affine is not None
    moved = (draw.affine != torch.eye(3)).flatten(1).any(dim=1).double().mean().item()
    deviation = math.sqrt(0.25 / n_samples)
    assert moved == pytest.approx(p * moved_share, abs=4 * deviation)


def test_share_scales_the_probability() -> None:
    draw = draw_augmentation(only("brightness", brightness=0.5), 0.5, 4000, (8, 8), chance())
    assert draw.brightness is not None
    assert (draw.brightness != 0).double().mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("name", "octaves"), [("contrast", 0.5), ("exposure", 0.2)])
def test_factors_spread_by_their_octaves(name: str, octaves: float) -> None:
    draw = draw_augmentation(only(name), 1.0, 4000, (8, 8), chance())
    factor = getattr(draw, name)
    assert factor.log2().std().item() == pytest.approx(octaves, rel=0.05)
    assert factor.log2().mean().item() == pytest.approx(0, abs=0.04)


def test_shifts_are_whole_pixels_up_to_an_eighth_of_each_side() -> None:
    draw = draw_augmentation(only("xint"), 1.0, 2000, (16, 64), chance())
    assert draw.affine is not None
    shift = draw.affine[:, :2, 2]
    assert torch.equal(shift, shift.round())
    assert shift.abs().amax(dim=0).tolist() == [8.0, 2.0]


def test_same_seed_gives_the_same_draw_and_leaves_global_chance_alone() -> None:
    before = torch.get_rng_state()
    first = draw_augmentation(AugmentConfig(), 0.5, 8, (16, 16), chance(3))
    again = draw_augmentation(AugmentConfig(), 0.5, 8, (16, 16), chance(3))
    other = draw_augmentation(AugmentConfig(), 0.5, 8, (16, 16), chance(4))
    assert first.affine is not None and again.affine is not None and other.affine is not None
    assert torch.equal(first.affine, again.affine)
    assert not torch.equal(first.affine, other.affine)
    assert torch.equal(before, torch.get_rng_state())


# Error text and the pieces


def test_unknown_augmentation_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"did you mean augmentations\.rotate90"):
        settings_from_mapping(AugmentConfig, {"rotate_90": 1.0}, "augmentations")


def test_share_above_one_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"augmentations\.xflip is 2\.0"):
        settings_from_mapping(AugmentConfig, {"xflip": 2.0}, "augmentations")


def test_halving_keeps_the_mean() -> None:
    torch.testing.assert_close(halving_matrix(8).sum(dim=1), torch.ones(8, dtype=torch.float64))
