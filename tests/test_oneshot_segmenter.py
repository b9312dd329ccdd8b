"""A segmenter learned from one scan of a toy whose truth is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oneshot_toy import CLASSES, toy_exemplar, toy_generator, toy_truth
from safetensors.torch import save_file

from xraysynth.errors import CheckpointError, DamagedError, InputError
from xraysynth.evaluate.metrics import Confusion, mean_iou
from xraysynth.gan.checkpoint import save_tensors
from xraysynth.oneshot.clustering import ClusterConfig, mapped_latents
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.head import HeadConfig
from xraysynth.oneshot.learn import LearnConfig, learn_segmenter
from xraysynth.oneshot.segmenter import (
    Segmenter,
    SegmenterFacts,
    check_belongs,
    load_segmenter,
    save_segmenter,
    smoothed,
)
from xraysynth.oneshot.views import ViewConfig

TINY = LearnConfig(
    cluster=ClusterConfig(
        steps=20,
        images=4,
        pixels=128,
        dim=12,
        prototypes=16,
        statistics_images=8,
        views=ViewConfig(swap_from_px=8),
    ),
    head=HeadConfig(swap=ViewConfig(swap_from_px=8)),
    smoothing_px=0,
)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    generator = toy_generator()
    return learn_segmenter(generator, [toy_exemplar(generator)], TINY, 0)


def test_one_labelled_scan_teaches_to_label_others(segmenter: Segmenter) -> None:
    generator = toy_generator()
    latent_w = mapped_latents(generator, 40, 1.0, 9, "unseen")
    images, scores = segmenter.segment(generator, latent_w)
    labels, truth = segmenter.labels(scores), toy_truth(latent_w)
    counts, chance = Confusion(CLASSES), Confusion(CLASSES)
    counts.add(truth, labels.label_map)
    chance.add(truth, np.zeros_like(truth))
    assert torch.equal(images, generator.synthesis(latent_w))
    assert mean_iou(counts.matrix) > 0.6
    assert mean_iou(counts.matrix) > 2 * mean_iou(chance.matrix)


def test_learning_again_gives_the_same_bytes(segmenter: Segmenter, tmp_path: Path) -> None:
    generator = toy_generator()
    state = torch.random.get_rng_state()
    again = learn_segmenter(generator, [toy_exemplar(generator)], TINY, 0)
    other = learn_segmenter(generator, [toy_exemplar(generator)], TINY, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in [("first", segmenter), ("again", again), ("other", other)]:
        save_segmenter(value, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()


def test_saving_and_loading_gives_the_same_segmenter(segmenter: Segmenter, tmp_path: Path) -> None:
    save_segmenter(segmenter, tmp_path / "segmenter.safetensors")
    loaded = load_segmenter(tmp_path / "segmenter.safetensors")
    assert loaded.facts == segmenter.facts
    assert loaded.class_names == CLASSES
    assert torch.equal(loaded.site_map.bias, segmenter.site_map.bias)
    for got, want in zip(loaded.site_map.weights, segmenter.site_map.weights, strict=True):
        assert torch.equal(got, want)


def test_two_exemplars_are_both_learned_from(segmenter: Segmenter) -> None:
    generator = toy_generator()
    exemplar = toy_exemplar(generator)
    both = learn_segmenter(generator, [exemplar, exemplar], TINY, 0)
    assert both.facts.exemplar_ids == (exemplar.exemplar_id,) * 2
    assert both.class_names == segmenter.class_names


def test_a_segmenter_of_another_generator_is_refused(segmenter: Segmenter) -> None:
    check_belongs(segmenter, toy_generator())
    with pytest.raises(CheckpointError, match=r"was learned on generator .*learn again on this"):
        check_belongs(segmenter, toy_generator(channels=5))


def test_an_exemplar_of_another_generator_is_refused() -> None:
    with pytest.raises(CheckpointError, match="labelled on generator"):
        learn_segmenter(toy_generator(5), [toy_exemplar(toy_generator(6))], TINY, 0)


def test_no_exemplar_is_refused() -> None:
    with pytest.raises(InputError, match="want at least one labelled scan"):
        learn_segmenter(toy_generator(), [], TINY, 0)


def facts(**changes: object) -> dict[str, object]:
    plain = SegmenterFacts(
        class_names=CLASSES, exemplar_ids=(), exemplar_origins=(), generator_hash="0" * 16
    ).model_dump(mode="json")
    return {"kind": "segmenter", "facts": {**plain, **changes}}


GOOD = {"bias": torch.zeros(3), "site0": torch.zeros(3, 4)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        pytest.param({"bias": torch.zeros(3)}, facts(), "want bias and site0", id="no-site"),
        pytest.param({**GOOD, "site2": torch.zeros(3, 4)}, facts(), "want bias", id="gap"),
        pytest.param({**GOOD, "bias": torch.zeros(4)}, facts(), "3 rows", id="classes"),
        pytest.param({**GOOD, "site0": torch.zeros(3)}, facts(), "site0 is", id="axes"),
        pytest.param({**GOOD, "bias": torch.zeros(3).half()}, facts(), "float16", id="dtype"),
        pytest.param({**GOOD, "bias": torch.full((3,), torch.nan)}, facts(), "finite", id="nan"),
        pytest.param(GOOD, facts(class_names=["one"]), "class_names", id="one-class"),
        pytest.param(GOOD, facts(smoothing_px=10**9), "smoothing_px", id="range"),
        pytest.param(GOOD, facts(code="import os"), "facts.code is not a setting", id="unknown"),
        pytest.param(GOOD, {"kind": "segmenter", "facts": 7}, "want a mapping", id="no-facts"),
        pytest.param(GOOD, {"kind": "generator"}, "holds a generator", id="other-kind"),
    ],
)
def test_a_hostile_file_is_refused_in_a_sentence(
    tmp_path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, object], message: str
) -> None:
    save_tensors(tmp_path / "hostile.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match=message):
        load_segmenter(tmp_path / "hostile.safetensors")


def test_foreign_and_broken_files_are_refused(tmp_path: Path) -> None:
    save_file(GOOD, tmp_path / "foreign", metadata={"other": json.dumps({})})
    with pytest.raises(CheckpointError, match="want a segmenter"):
        load_segmenter(tmp_path / "foreign")
    (tmp_path / "cut").write_bytes((tmp_path / "foreign").read_bytes()[:40])
    with pytest.raises(DamagedError):
        load_segmenter(tmp_path / "cut")
    with pytest.raises(InputError, match="does not exist"):
        load_segmenter(tmp_path / "absent")


def test_a_changed_byte_among_the_weights_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "segmenter.safetensors"
    save_segmenter(bare_segmenter(), path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="do not match their hash"):
        load_segmenter(path)


def test_a_file_without_its_hash_is_damage(tmp_path: Path) -> None:
    save_tensors(tmp_path / "bare.safetensors", GOOD, facts())
    with pytest.raises(DamagedError, match="have no hash"):
        load_segmenter(tmp_path / "bare.safetensors")


def test_weights_whose_scores_would_overflow_are_refused(tmp_path: Path) -> None:
    huge = {**GOOD, "bias": torch.full((3,), 3e38)}
    save_tensors(tmp_path / "huge.safetensors", huge, facts())
    with pytest.raises(CheckpointError, match=r"not finite, or beyond 1e\+12"):
        load_segmenter(tmp_path / "huge.safetensors")


def bare_segmenter(overlap_threshold: float = 0.25) -> Segmenter:
    return Segmenter(
        site_map=SiteMap(weights=(torch.zeros(3, 4),), bias=torch.zeros(3)),
        facts=SegmenterFacts(
            class_names=CLASSES,
            exemplar_ids=(),
            exemplar_origins=(),
            generator_hash="0" * 16,
            overlap_threshold=overlap_threshold,
        ),
    )


def test_probabilities_become_label_confidence_and_bits() -> None:
    probability = torch.tensor([[0.05, 0.35, 0.6], [1.0, 1e-9, 1e-9], [0.4, 0.3, 0.3]])
    scores = probability.log().T[None, :, None, :]
    labels = bare_segmenter().labels(scores)
    assert labels.label_map[0, 0].tolist() == [2, 0, 0]
    assert labels.confidence[0, 0].tolist() == [153, 255, 102]
    assert labels.overlaps[0, 0].tolist() == [0b110, 0b001, 0b111]
    assert [labels.label_map.dtype.name, labels.overlaps.dtype.name] == ["uint8", "uint32"]


def test_the_labels_own_bit_is_set_even_below_the_threshold() -> None:
    scores = torch.zeros(1, 3, 2, 2)
    labels = bare_segmenter(overlap_threshold=0.9).labels(scores)
    assert (labels.overlaps == 1 << labels.label_map).all()


def test_smoothing_averages_a_square_and_keeps_a_constant() -> None:
    scores = torch.zeros(1, 1, 5, 5)
    scores[0, 0, 2, 2] = 9.0
    assert smoothed(scores, 0) is scores
    assert smoothed(scores, 1)[0, 0, 1:4, 1:4].tolist() == [[1.0] * 3] * 3
    assert torch.allclose(smoothed(torch.ones(1, 1, 5, 5), 2), torch.ones(1, 1, 5, 5))


def test_exemplars_of_too_many_classes_together_are_refused_before_learning() -> None:
    generator, names = toy_generator(), [f"c{number}" for number in range(62)]
    label_map = np.arange(256).reshape(16, 16) % 32
    exemplars = [
        dataclasses.replace(
            toy_exemplar(generator),
            label_map=label_map.astype(np.uint8),
            class_names=("background", *names[start : start + 31]),
        )
        for start in (0, 31)
    ]
    endless = LearnConfig(cluster=ClusterConfig(steps=10**6), head=TINY.head)
    with pytest.raises(InputError, match="2 exemplars have 63 classes together; want at most 32"):
        learn_segmenter(generator, exemplars, endless, 0)
