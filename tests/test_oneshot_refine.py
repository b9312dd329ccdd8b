"""Scores drawn to edges: equal to a plain loop, blind to far pixels, a mean where all is alike."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xraysynth.oneshot.refine import RefineConfig, refined


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain_step(scores: np.ndarray, guide: np.ndarray, contrast: float) -> np.ndarray:
    """The definition, pixel by pixel: scores (K, H, W), guide (C, H, W) in shares of full scale."""
    result = np.empty_like(scores)
    _, height, width = scores.shape
    for row in range(height):
        for col in range(width):
            total, weight = scores[:, row, col].copy(), 1.0
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                y, x = row + down, col + right
                if 0 <= y < height and 0 <= x < width:
                    square = ((guide[:, row, col] - guide[:, y, x]) ** 2).sum()
                    alike = np.exp(-square / (2 * contrast**2))
                    total += alike * scores[:, y, x]
                    weight += alike
            result[:, row, col] = total / weight
    return result


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99), steps=st.integers(1, 3), contrast=st.floats(0.02, 0.5))
def test_it_equals_the_definition(seed: int, steps: int, contrast: float) -> None:
    scores, images = numbers(2, 3, 5, 4, seed=seed), numbers(2, 3, 5, 4, seed=seed + 1)
    found = refined(scores, images, RefineConfig(steps=steps, contrast=contrast))
    for one, image, got in zip(scores.numpy(), images.clamp(-1, 1).numpy(), found, strict=True):
        expected = one.astype(np.float64)
        for _ in range(steps):
            expected = plain_step(expected, image.astype(np.float64) / 2, contrast)
        np.testing.assert_allclose(got.numpy(), expected, atol=2e-5)


def test_nothing_crosses_an_edge_and_an_even_scan_is_averaged() -> None:
    scores = numbers(1, 2, 6, 6, seed=0)
    image = torch.full((1, 3, 6, 6), -1.0)
    image[..., 3:] = 1.0
    config = RefineConfig(steps=8)
    other = scores.clone()
    other[..., 3:] += 7
    left = refined(scores, image, config)[..., :3]
    assert torch.equal(left, refined(other, image, config)[..., :3])
    assert left.std() < 0.5 * scores[..., :3].std()


def test_equal_scores_stay_and_inputs_are_not_touched() -> None:
    scores, image = torch.full((1, 2, 4, 4), 3.0), numbers(1, 1, 4, 4, seed=1)
    assert torch.allclose(refined(scores, image, RefineConfig(steps=3)), scores)
    varied = numbers(1, 2, 4, 4, seed=2)
    before = varied.clone()
    refined(varied, image, RefineConfig(steps=2))
    assert torch.equal(varied, before)
    assert refined(varied, image, RefineConfig()) is varied


def test_a_scan_does_not_depend_on_its_batch() -> None:
    scores, images = numbers(3, 2, 8, 8, seed=3), numbers(3, 3, 8, 8, seed=4)
    config = RefineConfig(steps=2)
    whole = refined(scores, images, config)
    assert torch.equal(whole[1:2], refined(scores[1:2], images[1:2], config))
