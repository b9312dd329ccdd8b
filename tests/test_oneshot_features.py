"""The streamed form equals the plain one; views correspond; codes are balanced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oneshot_toy import toy_generator

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import (
    ClusterConfig,
    learn_clusters,
    mapped_latents,
    sinkhorn_codes,
    view_pixels,
)
from xraysynth.oneshot.features import (
    Interpolation,
    SiteMap,
    StreamedProjection,
    concatenated,
    measure_statistics,
    project,
    upsample,
)
from xraysynth.oneshot.segmenter import largest, smoothed
from xraysynth.oneshot.views import (
    ViewConfig,
    ViewDraw,
    draw_view,
    positions_in_view,
    sample_at,
    shared_positions,
    swap_rows,
    swappable_blocks,
    warp,
)
from xraysynth.randomness import stream

SMALL = NetworkConfig(
    resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=256, channel_max=16
)


def small_generator() -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Generator(SMALL).eval().requires_grad_(False)


def random_map(generator: Generator, outputs: int) -> SiteMap:
    rng = torch.Generator().manual_seed(5)
    return SiteMap(
        weights=tuple(torch.randn(outputs, s.channels, generator=rng) for s in generator.sites),
        bias=torch.randn(outputs, generator=rng),
    )


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_streamed_projection_equals_projecting_the_concatenation(
    interpolation: Interpolation,
) -> None:
    generator = small_generator()
    site_map = random_map(generator, 7)
    latent_w = mapped_latents(generator, 3, 1.0, 0, "test")
    _, streamed = project(generator, latent_w, site_map, interpolation)
    features = concatenated(generator, latent_w, interpolation)
    plain = torch.einsum("kc,nchw->nkhw", torch.cat(site_map.weights, 1), features)
    plain = plain + site_map.bias[:, None, None]
    assert streamed.shape == (3, 7, 32, 32)
    assert float((streamed - plain).abs().max() / plain.abs().max()) < 1e-4


def test_sites_that_are_not_read_are_skipped_and_change_nothing() -> None:
    generator = small_generator()
    full = random_map(generator, 4)
    weights = [
        w * (site.resolution >= 16) for w, site in zip(full.weights, generator.sites, strict=True)
    ]
    latent_w = mapped_latents(generator, 2, 1.0, 0, "test")
    features = concatenated(generator, latent_w, "bilinear")
    for used in (weights, [torch.zeros_like(weight) for weight in weights]):
        site_map = SiteMap(weights=tuple(used), bias=full.bias)
        _, streamed = project(generator, latent_w, site_map, "bilinear")
        plain = torch.einsum("kc,nchw->nkhw", torch.cat(used, 1), features)
        assert torch.allclose(streamed, plain + full.bias[:, None, None], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("radius", [1, 2, 9])
def test_box_sums_equal_pooling_and_the_first_largest_equals_max(radius: int) -> None:
    scores = torch.randn(2, 5, 12, 16, generator=torch.Generator().manual_seed(1))
    pooled = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(scores, (radius,) * 4),
        2 * radius + 1,
        stride=1,
        divisor_override=1,
    )
    counts = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(torch.ones_like(scores), (radius,) * 4),
        2 * radius + 1,
        stride=1,
        divisor_override=1,
    )
    assert torch.allclose(smoothed(scores, radius), pooled / counts, atol=1e-5)
    ties = scores.round()
    highest, label = largest(ties)
    assert torch.equal(highest, ties.amax(1))
    assert np.array_equal(label.numpy(), ties.numpy().argmax(1))


def test_doubling_equals_bilinear_interpolation() -> None:
    maps = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    want = torch.nn.functional.interpolate(maps, scale_factor=2, mode="bilinear")
    assert torch.allclose(upsample(maps, 14, "bilinear"), want, atol=1e-6)


def test_folding_head_and_normalisation_equals_applying_them_in_turn() -> None:
    generator = small_generator()
    latent_w = mapped_latents(generator, 4, 1.0, 0, "test")
    statistics = measure_statistics(generator, latent_w.split(2))
    projection, head = random_map(generator, 6), torch.randn(3, 6, generator=torch.Generator())
    bias = torch.tensor([0.5, -1.0, 2.0])
    folded = projection.after_normalisation(statistics).folded(head, bias)
    _, scores = project(generator, latent_w, folded, "bilinear")
    features = concatenated(generator, latent_w, "bilinear")
    mean, std = torch.cat(statistics.mean), torch.cat(statistics.std)
    normal = (features - mean[:, None, None]) / std[:, None, None]
    pixels = torch.einsum("dc,nchw->ndhw", torch.cat(projection.weights, 1), normal)
    pixels = pixels + projection.bias[:, None, None]
    plain = torch.einsum("kd,ndhw->nkhw", head, pixels) + bias[:, None, None]
    assert float((scores - plain).abs().max() / plain.abs().max()) < 1e-4


def test_statistics_equal_those_of_all_activations_at_once() -> None:
    generator = small_generator()
    latent_w = mapped_latents(generator, 6, 1.0, 0, "test")
    statistics = measure_statistics(generator, latent_w.split(4))
    kept: dict[int, torch.Tensor] = {}
    generator.synthesis(latent_w, on_activation=kept.__setitem__)
    for site, activation in kept.items():
        assert torch.allclose(statistics.mean[site], activation.mean((0, 2, 3)), atol=1e-5)
        std = activation.std((0, 2, 3), correction=0)
        assert torch.allclose(statistics.std[site], std, rtol=1e-3, atol=2e-3 * float(std.mean()))


def test_the_gradient_reaches_the_projection_and_not_the_generator() -> None:
    generator = small_generator()
    weights = [torch.zeros(2, s.channels, requires_grad=True) for s in generator.sites]
    site_map = SiteMap(weights=tuple(weights), bias=torch.zeros(2, requires_grad=True))
    images, pixels = project(
        generator, mapped_latents(generator, 1, 1.0, 0, "x"), site_map, "bilinear"
    )
    pixels.square().sum().backward()
    assert not images.requires_grad
    assert all(weight.grad is not None for weight in weights)


def view(**changes: object) -> ViewDraw:
    plain: dict[str, object] = dict(
        swapped_rows=(), strength=1.0, flipped=False, rotation_deg=0.0, shift_x=0.0, shift_y=0.0
    )
    return ViewDraw(**{**plain, **changes})  # type: ignore[arg-type]


def coordinate_image(size: int) -> torch.Tensor:
    """(1, 2, size, size): each pixel holds its own (x, y)."""
    centres = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y])[None]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_pixel_k_of_both_views_is_the_same_place_of_the_generator(seed: int) -> None:
    rng = stream(seed, "test views")
    config = ViewConfig(rotation_deg=20, shift=0.2)
    draws = (draw_view(config, [(1,)], rng), draw_view(config, [(1,)], rng))
    positions = shared_positions(draws, 100, (32, 32), rng)
    first, second = (view_pixels(coordinate_image(32), positions, draw)[0] for draw in draws)
    assert len(positions) == 100
    # The coordinate image goes through the same warp and look-up as features: what comes back is
    # where the pixel came from, but for interpolation clamped in the outermost half pixel.
    assert torch.allclose(first, positions, atol=1.01 / 32)
    assert torch.allclose(second, positions, atol=1.01 / 32)
    inner = (positions.abs() < 0.6).all(1)
    assert torch.allclose(first[inner], second[inner], atol=1e-4)


def test_views_warped_apart_but_indexed_alike_do_not_correspond() -> None:
    flipped = warp(coordinate_image(32), view(flipped=True))
    positions = torch.tensor([[0.5, 0.25]])
    alike = sample_at(flipped, positions)[0]
    assert torch.allclose(alike, torch.tensor([[-0.5, 0.25]]), atol=1e-5)
    right = sample_at(flipped, positions_in_view(positions, view(flipped=True)))[0]
    assert torch.allclose(right, positions, atol=1e-5)


def test_a_flip_mirrors_the_map() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.allclose(warp(maps, view(flipped=True)), maps.flip(-1), atol=1e-5)


def test_only_fine_rows_are_swapped_and_the_last_goes_with_the_finest() -> None:
    generator = toy_generator()
    assert swappable_blocks(generator, 8) == [(1, 2), (3, 4, 5)]
    assert swappable_blocks(generator, 512) == [(3, 4, 5)]
    ones = torch.ones(1, 6, 4)
    mixed = swap_rows(ones, 0 * ones, view(swapped_rows=(3, 4, 5), strength=0.5))
    assert mixed[0, :, 0].tolist() == [1, 1, 1, 0.5, 0.5, 0.5]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]))
def test_codes_sum_to_one_a_pixel_and_never_overflow(seed: int, scale: float) -> None:
    scores = torch.from_numpy(stream(seed, "scores").standard_normal((64, 8)) * scale).float()
    codes = sinkhorn_codes(scores, 0.005, 5)
    assert torch.isfinite(codes).all()
    assert torch.allclose(codes.sum(1), torch.ones(64), atol=1e-5)


def test_codes_use_all_prototypes_alike_after_enough_iterations() -> None:
    scores = torch.from_numpy(stream(1, "scores").standard_normal((200, 10))).float()
    codes = sinkhorn_codes(scores, 0.2, 300)
    assert torch.allclose(codes.sum(0), torch.full((10,), 20.0), rtol=1e-3)


def test_codes_equal_the_plain_iteration_where_that_does_not_overflow() -> None:
    scores = torch.from_numpy(stream(2, "scores").standard_normal((50, 6)))
    plain = torch.exp(scores / 0.5)
    for _ in range(10):
        plain = plain / plain.sum(0, keepdim=True) * 50 / 6
        plain = plain / plain.sum(1, keepdim=True)
    assert torch.allclose(sinkhorn_codes(scores, 0.5, 10), plain, atol=1e-9)


def test_clustering_lowers_its_loss_and_repeats_itself() -> None:
    config = ClusterConfig(
        steps=25, images=4, pixels=128, dim=8, prototypes=12, statistics_images=8,
        views=ViewConfig(swap_from_px=8),
    )  # fmt: skip
    generator = toy_generator()
    state = torch.random.get_rng_state()
    first = learn_clusters(generator, "bilinear", config, 1)
    again = learn_clusters(generator, "bilinear", config, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.mean(first.losses[-5:]) < 0.8 * np.mean(first.losses[:5])
    assert torch.equal(first.site_map.weights[0], again.site_map.weights[0])
    assert torch.equal(first.prototypes, again.prototypes)


@pytest.mark.parametrize(
    "shape", [{}, {"base_grid": (2, 5), "image_channels": 1}], ids=["square", "oblong-grey"]
)
def test_colours_and_scores_drawn_together_are_those_drawn_apart(shape: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        generator = Generator(SMALL.model_copy(update=shape)).eval().requires_grad_(False)
    site_map = random_map(generator, 5)
    latent_w = mapped_latents(generator, 3, 1.0, 0, "together")
    images, scores = project(generator, latent_w, site_map, "bilinear")
    apart = StreamedProjection(site_map, "bilinear")
    plain = generator.synthesis(latent_w, on_activation=apart)
    assert torch.allclose(images, plain, rtol=0, atol=1e-5 * float(plain.abs().max()))
    assert torch.allclose(scores, apart.result(), rtol=0, atol=1e-5 * float(scores.abs().max()))
