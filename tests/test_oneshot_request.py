"""What a generator was asked for bounds the labels of what it drew, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash, load_generator, save_generator
from xraysynth.gan.config import UNKNOWN, ClutterKind, NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import latents
from xraysynth.oneshot.export import ExportConfig, export
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.request import RequestRule
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, save_segmenter
from xraysynth.shards.reader import ShardSet

CLASSES = ("background", "bag", "gun", "knife")
NETWORK = NetworkConfig(
    resolution=16,
    z_dim=8,
    w_dim=8,
    mapping_layers=2,
    channel_base=128,
    channel_max=8,
    label_names=("gun", "knife", UNKNOWN),
)
Files = tuple[Path, Path]


LABELS = NETWORK.label_names


def rows(*asked: list[int]) -> torch.Tensor:
    return torch.tensor(asked, dtype=torch.float32)


def probabilities(rule: RequestRule, scores: list[float], asked: list[int]) -> list[float]:
    rule = dataclasses.replace(rule, favour=0.0)
    plain = torch.tensor(scores, dtype=torch.float64)[None, :, None, None]
    return rule.scores(plain, rows(asked)).softmax(1).flatten().tolist()


@given(
    scores=st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4),
    asked=st.sampled_from([[1, 0, 0], [0, 1, 0], [1, 1, 0]]),
)
def test_threats_asked_for_share_what_threats_had_and_all_else_keeps_its_own(
    scores: list[float], asked: list[int]
) -> None:
    rule = RequestRule.of(CLASSES, LABELS, ["gun", "knife"])
    before = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
    after = probabilities(rule, scores, asked)
    threats = before[2] + before[3]
    own = [before[2] * asked[0], before[3] * asked[1]]
    expected = [*before[:2], *(threats * p / max(sum(own), 1e-300) for p in own)]
    assert after == pytest.approx(expected, abs=1e-9)


def test_a_threat_that_no_exemplar_shows_takes_what_looks_like_another() -> None:
    rule = RequestRule.of(CLASSES[:3], LABELS, ["gun", "knife"])
    assert rule.class_names == ("background", "bag", "gun", "knife")
    scores = torch.log(torch.tensor([0.1, 0.2, 0.7])).tolist()
    assert probabilities(rule, scores, [0, 1, 0]) == pytest.approx([0.1, 0.2, 0, 0.7])
    assert probabilities(rule, scores, [1, 0, 0]) == pytest.approx([0.1, 0.2, 0.7, 0])
    # Asked for both: what looks like a gun is the gun.
    assert probabilities(rule, scores, [1, 1, 0]) == pytest.approx([0.1, 0.2, 0.7, 0])


def test_asked_to_hold_nothing_threats_are_ruled_out() -> None:
    rule = RequestRule.of(CLASSES, LABELS, ["gun"])
    scores = torch.log(torch.tensor([0.1, 0.3, 0.2, 0.4])).tolist()
    assert probabilities(rule, scores, [0, 0, 0]) == pytest.approx([0.25, 0.75, 0, 0])


def test_what_was_asked_for_is_favoured_by_so_many_nats() -> None:
    scores = torch.zeros(1, 4, 1, 1)
    rule = RequestRule.of(CLASSES, LABELS, ["gun"])
    plain = dataclasses.replace(rule, favour=0.0).scores(scores, rows([1, 0, 0]))
    raised = rule.scores(scores, rows([1, 0, 0])) - plain
    assert raised[0, :3].flatten().tolist() == pytest.approx([0, 0, 1.0])


def test_unknown_contents_leave_the_scores_as_they_are() -> None:
    rule = RequestRule.of(CLASSES, LABELS, ["gun", "knife"])
    scores = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    mixed = rule.scores(scores, rows([0, 0, 1], [0, 1, 0]))
    assert torch.equal(mixed[0], scores[0])
    assert torch.isinf(mixed[1, 2]).all()


def test_only_contents_of_the_same_kind_take_over() -> None:
    labels = ("knife", "gun", "laptop", UNKNOWN)
    rule = RequestRule.of(("background", "gun", "laptop"), labels, ["knife"])
    scores = torch.log(torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64))[None, :, None, None]
    plain = dataclasses.replace(rule, favour=0.0)
    after = plain.scores(scores, rows([1, 0, 0, 0])).softmax(1).flatten().tolist()
    assert rule.class_names == ("background", "gun", "laptop", "knife")
    assert after == pytest.approx([1 / 3, 0, 0, 2 / 3])


def test_without_a_known_threat_nothing_is_named() -> None:
    rule = RequestRule.of(("background", "bag"), LABELS, ["gun", "knife"])
    assert rule.class_names == ("background", "bag")


WITH_CLUTTER = ("background", "gun", "knife", "liquid", "electronics")


@pytest.mark.parametrize("asked", [[1, 0, 0], [0, 0, 1]])
def test_clutter_follows_what_latents_say_whatever_was_asked(asked: list[int]) -> None:
    """Its classes share among themselves; threats know nothing of it."""
    rule = RequestRule.of(WITH_CLUTTER, LABELS, ["gun", "knife"], ("liquid", "electronics"))
    given = [0.1, 0.2, 0.2, 0.1, 0.4]
    scores = torch.log(torch.tensor(given, dtype=torch.float64))[None, :, None, None]
    plain = RequestRule.of(WITH_CLUTTER, LABELS, ["gun", "knife"])
    for said, clutter in (([1, 0], [0.5, 0.0]), ([0, 0], [0.0, 0.0]), ([1, 1], [0.1, 0.4])):
        after = rule.scores(scores, rows([*asked, *said])).flatten().exp()
        threats = plain.scores(scores, rows(asked)).flatten().exp()[:3]
        assert after[:3].tolist() == pytest.approx(threats.tolist())
        favoured = [np.e * p for p in clutter]
        assert after[3:].tolist() == pytest.approx(favoured)


def test_exported_clutter_follows_its_latents(tmp_path: Path) -> None:
    """A generator that cannot be asked for anything still knows of its clutter."""
    kind = ClutterKind(name="bottle", share=0.5, class_name="liquid")
    network = NETWORK.model_copy(update={"label_names": (), "clutter": (kind,)})
    classes = ("background", "bag", "liquid")
    files = toy_files(tmp_path, network, classes)
    bounded, plain = (
        exported(files, tmp_path / str(use), use_request=use, use_clutter=True)
        for use in (True, False)
    )
    said = latents(load_generator(files[0]), 7, range(8))[:, 0] > 0
    assert 0 < said.sum() < 8
    for there, with_it, without_it in zip(said.tolist(), bounded, plain, strict=True):
        assert (without_it["mask"] == 2).any()
        assert (with_it["mask"] == 2).sum() >= there * (without_it["mask"] == 2).sum()
        assert there or not (with_it["mask"] == 2).any()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return toy_files(tmp_path_factory.mktemp("conditional"), NETWORK, CLASSES)


def toy_files(folder: Path, network: NetworkConfig, classes: tuple[str, ...]) -> Files:
    """Write a generator and a segmenter with random weights."""
    n_classes = len(classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(network).eval()
        weights = tuple(torch.randn(n_classes, site.channels) for site in generator.sites)
    save_generator(folder / "generator.safetensors", generator)
    facts = SegmenterFacts(
        class_names=classes,
        exemplar_ids=("0" * 16,),
        exemplar_origins=("Drawn by lot.",),
        generator_hash=generator_hash(generator),
    )
    segmenter = Segmenter(
        site_map=SiteMap(weights=weights, bias=torch.zeros(n_classes)), facts=facts
    )
    save_segmenter(segmenter, folder / "segmenter.safetensors")
    return folder / "generator.safetensors", folder / "segmenter.safetensors"


def exported(files: Files, out: Path, **settings: object) -> list[dict[str, np.ndarray]]:
    config = ExportConfig.model_validate({"count": 8, "batch": 3, **settings})
    export(*files, config, 7, out)
    shards = ShardSet(out)
    return [shards[index] for index in range(8)]


def test_exported_masks_hold_nothing_that_was_not_asked_for(files: Files, tmp_path: Path) -> None:
    bounded = exported(files, tmp_path / "on", balance=True)
    plain = exported(files, tmp_path / "off", balance=True, use_request=False)
    wrong = 0
    for number, (with_it, without_it) in enumerate(zip(bounded, plain, strict=True)):
        other = 2 if number % 2 else 3  # Gun and knife are asked for in turn.
        assert not (with_it["mask"] == other).any()
        assert not (with_it["overlap"] & (1 << other)).any()
        looked_like_a_threat = without_it["mask"] >= 2
        assert (with_it["mask"][looked_like_a_threat] == 5 - other).all()
        assert np.array_equal(with_it["image"], without_it["image"])
        wrong += int((without_it["mask"] == other).sum())
    assert wrong > 0
    images = pd.read_hdf(tmp_path / "on" / "tables.h5", "images")
    assert images["requested"].tolist() == ["gun", "knife"] * 4


def test_without_asking_the_option_changes_nothing(files: Files, tmp_path: Path) -> None:
    on = exported(files, tmp_path / "on")
    off = exported(files, tmp_path / "off", use_request=False)
    for first, second in zip(on, off, strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in ("mask", "overlap"))


def test_an_export_can_ask_for_no_threat(files: Files, tmp_path: Path) -> None:
    empty = exported(files, tmp_path / "none", contains=("None",))
    plain = exported(files, tmp_path / "plain", contains=("none",), use_request=False)
    assert not any((sample["mask"] >= 2).any() for sample in empty)
    assert any((sample["mask"] >= 2).any() for sample in plain)
    images = pd.read_hdf(tmp_path / "none" / "tables.h5", "images")
    assert images["requested"].tolist() == ["none"] * 8


def test_a_balanced_export_can_hold_scans_without_a_threat(files: Files, tmp_path: Path) -> None:
    samples = exported(files, tmp_path / "out", balance=True, contains=("none",))
    images = pd.read_hdf(tmp_path / "out" / "tables.h5", "images")
    assert images["requested"].tolist() == (["gun", "knife", "none"] * 3)[:8]
    for number, sample in enumerate(samples):
        threats = set(np.unique(sample["mask"]).tolist()) & {2, 3}
        assert threats <= [{2}, {3}, set()][number % 3]


def test_requests_that_add_more_classes_than_shards_hold_are_refused() -> None:
    names = ("background", "gun", *(f"c{number}" for number in range(30)))
    with pytest.raises(InputError, match=r"knows 32 classes and requests add knife; want at most"):
        RequestRule.of(names, ("gun", "knife"), ["knife"])
    assert RequestRule.of(names, ("gun", "knife"), ["gun"]).class_names == names
