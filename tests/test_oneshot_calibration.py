"""Confidence that says how often a label is right, learned without any truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oneshot_toy import CLASSES, toy_exemplar, toy_generator, toy_truth
from test_oneshot_segmenter import GOOD, TINY, bare_segmenter, facts
from torch import Tensor

from xraysynth.errors import CheckpointError
from xraysynth.evaluate.reliability import Reliability
from xraysynth.gan.checkpoint import save_tensors
from xraysynth.oneshot.calibration import (
    CalibrationConfig,
    Head,
    confidence_levels,
    levels_of,
    never_falling,
    parts,
    shared_classes,
)
from xraysynth.oneshot.clustering import mapped_latents
from xraysynth.oneshot.learn import learn_segmenter
from xraysynth.oneshot.refine import RefineConfig
from xraysynth.oneshot.segmenter import Segmenter, load_segmenter, save_segmenter
from xraysynth.randomness import stream

CONFIG = CalibrationConfig()


def test_pooling_gives_the_published_isotonic_example() -> None:
    # R. E. Barlow et al., Statistical Inference under Order Restrictions (1972), by hand: 1, (3, 2,
    # 4) stay or pool to their mean where the order is broken.
    assert never_falling(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist() == [1, 2.5, 2.5, 4]
    assert never_falling(np.array([3.0, 1.0]), np.array([1.0, 3.0])).tolist() == [1.5, 1.5]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 9)), min_size=1, max_size=30),
)
def test_pooling_never_falls_and_keeps_the_mean(points: list[tuple[float, float]]) -> None:
    values, weights = np.array(points).T
    pooled = never_falling(values, weights)
    assert (np.diff(pooled) >= -1e-12).all()
    assert np.average(pooled, weights=weights) == pytest.approx(np.average(values, weights=weights))


def test_the_table_is_the_share_that_was_right() -> None:
    pixels, right = np.zeros((2, 2, 256), np.int64)
    pixels[0, [51, 204]], right[0, [51, 204]] = 10_000, [1_000, 9_000]
    pixels[1, 128], right[1, 128] = 100, 0  # Too few: the curve of all classes.
    table = levels_of(pixels, right)
    assert table.shape == (3, 256)
    assert table.dtype == np.uint8
    assert table[0, [0, 51, 204, 255]].tolist() == [26, 26, 230, 230]
    assert (table[1] == table[2]).all()
    assert (np.diff(table.astype(int), axis=1) >= 0).all()
    nothing = levels_of(np.zeros((2, 256), int), np.zeros((2, 256), int))
    assert (nothing == np.arange(256)).all()


def test_exemplars_are_parted_like_a_chessboard_and_at_last_dealt_out_whole() -> None:
    labels = np.zeros((3, 8, 8), np.int64)
    board, shifted, whole = parts(labels, CONFIG)
    assert whole.all((1, 2)).tolist() == [False, True, False]
    assert not whole[0].any()
    assert board[0, :2, :2].all() == board[0, 2:4, 2:4].all() != board[0, :2, 2:4].any()
    assert (board != shifted).any()
    assert len(parts(labels[:1], CONFIG)) == 2


def test_a_class_that_one_half_lacks_is_not_judged_by_that_half() -> None:
    labels = np.zeros((1, 8, 8), np.int64)
    labels[0, 0, 0] = 1  # A single pixel: in no way in both halves.
    for part in parts(labels, CONFIG):
        assert shared_classes(labels, part, 2, 0.1).tolist() == [True, False]

    always = torch.tensor([0.2, 0.8])[None, :, None, None]

    def train(part: Tensor) -> Head:
        return Head(fresh=[always.expand(1, 2, 64, 64)], views=always.expand(1, 2, 8, 8))

    table = confidence_levels(labels, 2, train, CONFIG)
    # Nothing was learned of either class where class 1 alone is ever answered.
    assert (table == np.arange(256)).all()


def test_the_share_on_which_independent_heads_agree_becomes_the_confidence() -> None:
    rng = stream(0, "two heads")
    labels = np.broadcast_to(np.arange(16) // 2 % 2, (1, 16, 16)).astype(np.int64)

    def train(part: Tensor) -> Head:
        first = torch.from_numpy(rng.random((4, 64, 64)) < 0.5)
        top = torch.where(first, 0.9, 0.1)
        known = torch.from_numpy(labels).float().mul(0.8).add(0.1)[:, None].repeat(9, 1, 1, 1)
        wrong = torch.arange(len(known)) < wrong_views
        known[wrong] = 1 - known[wrong]
        return Head(fresh=[torch.stack([top, 1 - top], 1)], views=torch.cat([1 - known, known], 1))

    wrong_views = 0  # Right in the unlearned part: only the agreement counts.
    assert confidence_levels(labels, 2, train, CONFIG)[:, 230] / 255 == pytest.approx(0.5, abs=0.02)
    wrong_views = 6  # Right there in a third: that is less than heads agree.
    table = confidence_levels(labels, 2, train, CONFIG)
    assert table[:, 230] / 255 == pytest.approx(1 / 3, abs=0.02)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    generator = toy_generator()
    return learn_segmenter(generator, [toy_exemplar(generator)], TINY, 0)


def test_calibration_brings_confidence_nearer_to_the_truth() -> None:
    generator = toy_generator()
    # Too few values a pixel to tell the classes apart everywhere.
    poor = TINY.cluster.model_copy(update={"dim": 3, "steps": 0})
    # A head without unlabelled scans or edges: either makes it less sure of itself already.
    alone = TINY.head.unlabelled.model_copy(update={"weight": 0.0})
    changes = {"reads": "clusters", "unlabelled": alone, "views": 4, "weight_decay": 0.001}
    head = TINY.head.model_copy(update=changes)
    config = TINY.model_copy(
        update={"cluster": poor, "head": head, "refine": RefineConfig(steps=0), "smoothing_px": 1}
    )
    segmenter = learn_segmenter(generator, [toy_exemplar(generator)], config, 0)
    latent_w = mapped_latents(generator, 200, 1.0, 9, "unseen")
    _, scores = segmenter.segment(generator, latent_w)
    plain = Segmenter(site_map=segmenter.site_map, facts=segmenter.facts)
    truth = toy_truth(latent_w)
    errors = []
    for one in (plain, segmenter):
        labels, pixels = one.labels(scores), Reliability()
        pixels.add(labels.confidence / 255, labels.label_map == truth)
        errors.append(pixels.figures()["expected_calibration_error"])
    assert errors[1] < 0.7 * errors[0]


def test_the_table_is_saved_with_the_segmenter(
    segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "segmenter.safetensors"
    save_segmenter(segmenter, path)
    loaded = load_segmenter(path)
    assert loaded.levels is not None
    assert segmenter.levels is not None
    assert torch.equal(loaded.levels, segmenter.levels)
    assert loaded.levels.shape == (len(CLASSES) + 1, 256)


def test_classes_beyond_those_learned_take_the_last_row() -> None:
    table = torch.arange(4, dtype=torch.uint8)[:, None].expand(4, 256) * 10
    bare = bare_segmenter()
    known = Segmenter(site_map=bare.site_map, facts=bare.facts, levels=table.contiguous())
    scores = 5 * torch.eye(5)[None, :, None, :]
    assert known.labels(scores).confidence[0, 0].tolist() == [0, 10, 20, 30, 30]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(torch.zeros(3, 256, dtype=torch.uint8), id="rows"),
        pytest.param(torch.zeros(4, 256), id="dtype"),
        pytest.param(torch.arange(255, -1, -1).expand(4, 256).byte(), id="falls"),
    ],
)
def test_a_hostile_table_is_refused_in_a_sentence(
    table: Tensor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "segmenter.safetensors"
    save_tensors(path, {**GOOD, "confidence": table.contiguous()}, facts())
    with pytest.raises(CheckpointError, match="rows that never fall"):
        load_segmenter(path)


def test_no_fresh_scans_leave_probabilities_as_they_are() -> None:
    generator = toy_generator()
    config = TINY.model_copy(update={"calibration": CalibrationConfig(scans=0)})
    assert learn_segmenter(generator, [toy_exemplar(generator)], config, 0).levels is None
