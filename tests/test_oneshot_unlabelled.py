"""Unlabelled scans hold rare classes back, and show what they were asked for."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oneshot_toy import SIZE, ToyMapping, toy_exemplar, toy_generator, toy_masks

from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.mapping import Mapping
from xraysynth.oneshot.clustering import asked_in_turn, mapped_latents
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import concatenated
from xraysynth.oneshot.head import HeadConfig
from xraysynth.oneshot.learn import LearnConfig, learn_head, learn_segmenter
from xraysynth.oneshot.lesson import lesson
from xraysynth.oneshot.reading import fine_features
from xraysynth.oneshot.unlabelled import (
    Unlabelled,
    UnlabelledConfig,
    common_classes,
    guessed_classes,
    partial_loss,
    possible_classes,
    unlabelled_pixels,
)

FINE = HeadConfig(sites_from_px=4)


def test_the_loss_is_that_of_a_partial_label() -> None:
    """Cour et al., JMLR 2011: the probability of a set of labels is the sum of theirs."""
    scores = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 1.0]], dtype=torch.float64)
    share = np.exp(scores.numpy()) / np.exp(scores.numpy()).sum(1, keepdims=True)
    expected = -np.log([share[0, 0] + share[0, 2], share[1, 1]]).mean()
    found = partial_loss(scores, torch.tensor([[True, False, True], [False, True, False]]))
    assert found.item() == pytest.approx(expected, rel=1e-12)


@given(
    scores=st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_more_common_classes_never_cost_more(scores: list[list[float]]) -> None:
    values = torch.tensor(scores, dtype=torch.float64)
    few, more = torch.tensor([True, False, False]), torch.tensor([True, True, False])
    every = torch.ones(3, dtype=torch.bool)
    losses = [
        partial_loss(values, some.expand(len(values), 3)).item() for some in (few, more, every)
    ]
    assert losses[0] >= losses[1] - 1e-9 and losses[1] >= losses[2] - 1e-9
    assert losses[2] == pytest.approx(0, abs=1e-9)


def test_the_background_is_common_however_small() -> None:
    known = lesson(toy_generator(), [toy_exemplar(toy_generator())])
    assert common_classes(known, 1.0).tolist() == [True, False, False]
    assert common_classes(known, 0.0).tolist() == [True, True, True]


def test_pixels_are_those_of_generated_scans() -> None:
    generator = toy_generator()
    read = fine_features(generator, 4, 512, 0)
    config = UnlabelledConfig(scans=2, pixels=2 * 16 * 16)
    state = torch.random.get_rng_state()
    found = unlabelled_pixels(generator, read, "bilinear", config, 3)
    again = unlabelled_pixels(generator, read, "bilinear", config, 3)
    assert torch.equal(found.pixels, again.pixels) and found.asked is None
    assert torch.equal(torch.random.get_rng_state(), state)
    codes = mapped_latents(generator, 2, config.truncation_psi, 3, "unlabelled")
    maps = concatenated(generator, codes, "bilinear")
    ours, theirs = (
        found.flat().sort(0).values,
        maps.permute(0, 2, 3, 1).flatten(0, 2).sort(0).values,
    )
    assert torch.allclose(ours, theirs, atol=1e-3)


def test_more_features_than_wanted_are_mixed() -> None:
    generator = toy_generator()
    every, mixed = (fine_features(generator, 32, dim, 0) for dim in (512, 7))
    assert [int(weight.any()) for weight in every.weights] == [0, 0, 0, 1, 1]  # 16 px, of 32 wanted
    assert len(every.bias) == 12 and len(mixed.bias) == 7
    assert mixed.weights[4].abs().min() > 0


def test_rare_classes_are_found_less_often_the_more_unlabelled_scans_count() -> None:
    generator = toy_generator()
    read = fine_features(generator, 4, 512, 0)
    latent_w = mapped_latents(generator, 20, 1.0, 9, "unseen")
    shares = []
    for weight in (0.0, 1.0, 30.0):
        unlabelled = UnlabelledConfig(weight=weight, scans=8, common_share=0.9)
        config = LearnConfig(head=FINE.model_copy(update={"unlabelled": unlabelled}))
        segmenter = learn_head(read, generator, [toy_exemplar(generator)], config, 0)
        label_map = segmenter.segment(generator, latent_w)[1].argmax(1)
        shares.append(float((label_map > 0).float().mean()))
    assert shares[0] > shares[1] > shares[2]


NAMES = ("background", "gun", "Knife", "organic")
LABELS = ("gun", "knife", "unknown")


def asked(rows: list[list[float]], pixels: torch.Tensor | None = None) -> Unlabelled:
    if pixels is None:
        pixels = torch.zeros(len(rows), 1, 1)
    return Unlabelled(pixels=pixels, asked=torch.tensor(rows), label_names=LABELS)


def test_a_scan_may_hold_what_it_was_asked_for_and_what_is_common() -> None:
    common = torch.tensor([True, True, False, True])  # The labelled scan is full of guns.
    found = possible_classes(NAMES, common, asked([[1, 0, 0], [0, 1, 0], [0, 0, 0]]))
    assert found.tolist() == [
        [True, True, False, True],
        [True, False, True, True],
        [True, False, False, True],
    ]
    nothing_asked = Unlabelled(pixels=torch.zeros(2, 1, 1), asked=None)
    assert possible_classes(NAMES, common, nothing_asked).tolist() == [common.tolist()] * 2


def test_requests_bear_only_on_classes_that_can_be_asked_for() -> None:
    assert asked([[1, 0, 0]]).rule(NAMES) is not None
    assert asked([[1, 0, 0]]).rule(("background", "organic")) is None
    assert Unlabelled(pixels=torch.zeros(1, 1, 1), asked=None).rule(NAMES) is None


def test_clutter_that_latents_say_is_possible_there_and_nowhere_else() -> None:
    names = ("background", "gun", "liquid")
    scans = Unlabelled(
        pixels=torch.zeros(2, 1, 1),
        asked=torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]]),
        label_names=LABELS,
        clutter_names=("liquid",),
    )
    found = possible_classes(names, torch.tensor([True, False, False]), scans)
    assert found.tolist() == [[True, True, True], [True, False, False]]
    rule = scans.rule(("background", "liquid"), exemplars=8)
    assert rule is not None and scans.rule(("background", "organic")) is None
    head = (torch.zeros(2, 1), torch.tensor([0.5, 0.0]))
    assert guessed_classes(scans, head, rule).tolist() == [1, 0]


def test_what_looks_like_a_threat_is_the_one_that_was_asked_for() -> None:
    """The head takes bright pixels for guns; in a scan asked for a knife they are knives."""
    pixels = torch.tensor([[[0.0], [9.0]]]).repeat(3, 1, 1)
    unlabelled = asked([[1, 0, 0], [0, 1, 0], [0, 0, 0]], pixels)
    head = (torch.tensor([[0.0], [1.0], [0.9], [-9.0]]), torch.tensor([3.0, 0.0, 0.0, 0.0]))
    rule = unlabelled.rule(NAMES)
    assert rule is not None
    assert guessed_classes(unlabelled, head, rule).tolist() == [0, 1, 0, 2, 0, 0]
    fewer = (head[0][[0, 1, 3]], head[1][[0, 1, 3]])
    rule = unlabelled.rule(("background", "gun", "organic"))
    assert rule is not None
    # No exemplar shows a knife: a class of its own, from which the head cannot learn.
    assert guessed_classes(unlabelled, fewer, rule).tolist() == [0, 1, 0, 3, 0, 0]


def test_the_more_exemplars_the_less_is_what_was_asked_for_favoured() -> None:
    one, eight = (asked([[1, 0, 0]]).rule(NAMES, exemplars) for exemplars in (1, 8))
    assert one is not None and eight is not None
    assert eight.favour == pytest.approx(one.favour - math.log(8))


class AskedMapping(ToyMapping):
    """Draws a bar in the upper half where it is asked for, and in the lower half anyway."""

    def forward(
        self,
        latent_z: torch.Tensor,
        truncation_psi: float = 1.0,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        codes: torch.Tensor = super().forward(latent_z, truncation_psi).clone()
        upper = torch.zeros(len(codes), 1) if labels is None else labels[:, :1]
        codes[:, :, 2] = torch.where(upper > 0, -0.9, 0.9)
        return codes


def test_requests_teach_what_one_scan_cannot() -> None:
    """Two bars alike but for their place: only requests tell that the lower one is no bar."""
    generator = toy_generator()
    generator.config = NetworkConfig(resolution=SIZE, label_names=("bar", "unknown"))
    generator.mapping = cast(Mapping, AskedMapping())
    exemplar = asked_exemplar(generator)
    shares = {}
    for weight, rounds in ((0.0, 0), (0.5, 2)):
        unlabelled = UnlabelledConfig(weight=weight, scans=12, rounds=rounds)
        config = LearnConfig(head=HeadConfig(sites_from_px=4, unlabelled=unlabelled))
        segmenter = learn_segmenter(generator, [exemplar], config, 0)
        latent_w = mapped_latents(generator, 24, 1.0, 9, "unseen")
        wanted = asked_in_turn(generator, 24)
        assert wanted is not None
        found = segmenter.segment(generator, latent_w)[1].argmax(1) == 1
        truth = (toy_masks(latent_w)[:, 2] > 0) & (wanted[:, 0] > 0)[:, None, None]
        shares[rounds] = float((found & truth).sum() / (found | truth).sum())
    assert shares[2] > shares[0] + 0.05


def asked_exemplar(generator: Generator) -> Exemplar:
    """Return a scan that was asked for a bar, its bar labelled."""
    exemplar = toy_exemplar(generator)
    latent_w = generator.mapping(torch.zeros(1, generator.z_dim), labels=torch.tensor([[1.0, 0.0]]))
    label_map = (toy_masks(latent_w)[0, 2] > 0).numpy().astype(np.uint8)
    return Exemplar(
        latent_w=latent_w[0].numpy(),
        label_map=label_map,
        class_names=("background", "bar"),
        origin=exemplar.origin,
        generator_hash=generator_hash(generator),
        image=exemplar.image,
    )
