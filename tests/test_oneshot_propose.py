"""Groups of pixels, and the scans whose label would teach most."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oneshot_toy import SIZE, toy_generator, toy_truth
from scipy.cluster.vq import vq

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import mapped_latents
from xraysynth.oneshot.exemplar_scan import numbered_latents
from xraysynth.oneshot.features import project
from xraysynth.oneshot.groups import group_maps, learn_groupings
from xraysynth.oneshot.propose import ProposeConfig, choose, coverage, likeness, propose
from xraysynth.oneshot.reading import fine_features, standardised


@pytest.fixture(scope="module")
def generator() -> Generator:
    return toy_generator()


def test_a_grouping_is_the_nearest_centre_that_scipy_finds(generator: Generator) -> None:
    (grouping,) = learn_groupings(generator, 0, (4,))
    latent_w = mapped_latents(generator, 3, 1.0, 9, "test")
    read = fine_features(generator, generator.resolution // 2, 256, 0)
    read = standardised(generator, read, "bilinear", 1.0, 0)
    _, pixels = project(generator, latent_w, read, "bilinear")
    flat = pixels.permute(0, 2, 3, 1).flatten(0, 2).double()
    _, scores = project(generator, latent_w, grouping, "bilinear")
    # The centres, from scores 2 c.x - |c|^2, by least squares over many pixels.
    design = torch.cat([2 * flat, torch.ones(len(flat), 1)], 1)
    solved = torch.linalg.lstsq(design, scores.permute(0, 2, 3, 1).flatten(0, 2).double()).solution
    centres = solved[:-1].T.numpy()
    expected, _ = vq(flat.numpy(), centres)
    found = group_maps(generator, latent_w, grouping).ravel()
    assert (found == expected).mean() > 0.999
    np.testing.assert_allclose(solved[-1], -(centres**2).sum(1), rtol=1e-3, atol=1e-3)


def test_groups_follow_what_is_drawn(generator: Generator) -> None:
    (grouping,) = learn_groupings(generator, 0, (6,))
    latent_w = mapped_latents(generator, 20, 1.0, 9, "test")
    groups, truth = group_maps(generator, latent_w, grouping), toy_truth(latent_w)
    # Each group named by its most frequent class: how much of the truth that gives back.
    named = np.zeros_like(truth)
    for group in np.unique(groups):
        inside = groups == group
        named[inside] = np.bincount(truth[inside]).argmax()
    assert (named == truth).mean() > 0.85


def test_proposals_are_the_same_for_a_seed_and_come_in_order(generator: Generator) -> None:
    config = ProposeConfig(candidates=40)
    (grouping,) = learn_groupings(generator, 0, (6,))
    first = propose(generator, grouping, 5, 3, config)
    again = propose(generator, grouping, 5, 3, config)
    assert [one.scan for one in first] == [one.scan for one in again]
    assert len({one.scan.index for one in first}) == 5
    assert [one.scan for one in propose(generator, grouping, 2, 3, config)] == [
        one.scan for one in first[:2]
    ]
    assert [one.scan for one in propose(generator, grouping, 5, 4, config)] != [
        one.scan for one in first
    ]


def test_a_proposal_is_the_numbered_scan(generator: Generator) -> None:
    (grouping,) = learn_groupings(generator, 0, (6,))
    one = propose(generator, grouping, 1, 3, ProposeConfig(candidates=10))[0]
    latent_w = numbered_latents(generator, 3, [one.scan.index], one.scan.truncation_psi)[0]
    assert np.array_equal(one.latent_w, latent_w)
    assert 0 < one.n_groups <= len(grouping.bias)


def test_proposals_show_all_that_the_toy_draws(generator: Generator) -> None:
    (grouping,) = learn_groupings(generator, 0, (6,))
    for seed in range(4):
        best = propose(generator, grouping, 1, seed, ProposeConfig(candidates=30))[0]
        truth = toy_truth(torch.from_numpy(best.latent_w)[None])
        shares = np.bincount(truth.ravel(), minlength=3) / SIZE**2
        assert shares.min() > 0.03, (seed, shares)


def test_a_group_that_was_shown_counts_less_the_next_time() -> None:
    shown = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]], float)
    chosen = choose(shown, np.zeros(3), np.eye(3), 3, ProposeConfig())
    assert chosen == [0, 2, 1]


def test_typical_scans_come_first_and_near_repeats_last() -> None:
    shown = np.ones((4, 2))
    strange = np.array([0.0, 0.0, 5.0, 0.1])
    alike = np.full((4, 4), 0.2)
    alike[0, 1] = alike[1, 0] = 1.0
    np.fill_diagonal(alike, 1.0)
    assert choose(shown, strange, alike, 3, ProposeConfig())[:2] == [0, 3]
    plain = ProposeConfig(typicality=0, variety=0)
    assert choose(shown, strange, alike, 4, plain) == [0, 1, 2, 3]


def test_more_proposals_than_candidates_are_all_candidates() -> None:
    assert sorted(choose(np.ones((3, 2)), np.zeros(3), np.eye(3), 9, ProposeConfig())) == [0, 1, 2]
    assert choose(np.ones((1, 2)), np.zeros(1), np.eye(1), 2, ProposeConfig()) == [0]


def test_coverage_and_likeness_are_shares() -> None:
    maps = np.random.default_rng(0).integers(0, 5, (6, 8, 8))
    shown, alike = coverage(maps, 5, 0.1), likeness(maps)
    assert shown.shape == (6, 5)
    assert 0 <= shown.min() <= shown.max() <= 1
    assert np.array_equal(alike, alike.T)
    assert np.array_equal(np.diag(alike), np.ones(6))
