"""Unlabelled scans hold rare classes back, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oneshot_toy import toy_exemplar, toy_generator

from xraysynth.oneshot.clustering import ClusterConfig, learn_clusters, mapped_latents
from xraysynth.oneshot.features import concatenated
from xraysynth.oneshot.learn import HeadConfig, LearnConfig, learn_head
from xraysynth.oneshot.lesson import lesson
from xraysynth.oneshot.unlabelled import (
    UnlabelledConfig,
    common_classes,
    common_loss,
    unlabelled_pixels,
)

CLUSTER = ClusterConfig(steps=4, images=4, pixels=128, dim=12, prototypes=16, statistics_images=8)


def test_the_loss_is_that_of_a_partial_label() -> None:
    """Cour et al., JMLR 2011: the probability of a set of labels is the sum of theirs."""
    scores = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 1.0]], dtype=torch.float64)
    share = np.exp(scores.numpy()) / np.exp(scores.numpy()).sum(1, keepdims=True)
    expected = -np.log(share[:, 0] + share[:, 2]).mean()
    found = common_loss(scores, torch.tensor([True, False, True]))
    assert found.item() == pytest.approx(expected, rel=1e-12)


@given(
    scores=st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_more_common_classes_never_cost_more(scores: list[list[float]]) -> None:
    values = torch.tensor(scores, dtype=torch.float64)
    few, more = torch.tensor([True, False, False]), torch.tensor([True, True, False])
    every = torch.ones(3, dtype=torch.bool)
    losses = [common_loss(values, common).item() for common in (few, more, every)]
    assert losses[0] >= losses[1] - 1e-9 and losses[1] >= losses[2] - 1e-9
    assert losses[2] == pytest.approx(0, abs=1e-9)


def test_the_background_is_common_however_small() -> None:
    known = lesson(toy_generator(), [toy_exemplar(toy_generator())])
    assert common_classes(known, 1.0).tolist() == [True, False, False]
    assert common_classes(known, 0.0).tolist() == [True, True, True]


def test_pixels_are_those_of_generated_scans() -> None:
    generator = toy_generator()
    clusters = learn_clusters(generator, "bilinear", CLUSTER, 0)
    config = UnlabelledConfig(scans=2, pixels=2 * 16 * 16)
    state = torch.random.get_rng_state()
    found = unlabelled_pixels(generator, clusters.site_map, "bilinear", config, 3)
    again = unlabelled_pixels(generator, clusters.site_map, "bilinear", config, 3)
    assert torch.equal(found, again) and torch.equal(torch.random.get_rng_state(), state)
    maps = concatenated(generator, mapped_latents(generator, 2, 1.0, 3, "unlabelled"), "bilinear")
    weight = torch.cat(clusters.site_map.weights, 1)
    expected = torch.einsum("dc,nchw->nhwd", weight, maps) + clusters.site_map.bias
    ours, theirs = found.sort(0).values, expected.flatten(0, 2).sort(0).values
    assert torch.allclose(ours, theirs, atol=1e-3)


def test_rare_classes_are_found_less_often_the_more_unlabelled_scans_count() -> None:
    generator = toy_generator()
    clusters = learn_clusters(generator, "bilinear", CLUSTER, 0)
    latent_w = mapped_latents(generator, 20, 1.0, 9, "unseen")
    shares = []
    for weight in (0.0, 1.0, 30.0):
        unlabelled = UnlabelledConfig(weight=weight, scans=8, common_share=0.9)
        config = LearnConfig(cluster=CLUSTER, head=HeadConfig(unlabelled=unlabelled))
        segmenter = learn_head(clusters, generator, [toy_exemplar(generator)], config, 0)
        label_map = segmenter.segment(generator, latent_w)[1].argmax(1)
        shares.append(float((label_map > 0).float().mean()))
    assert shares[0] > shares[1] > shares[2]
