"""What a generator was asked for bounds the labels of what it drew, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.gan.checkpoint import generator_hash, save_generator
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.export import ExportConfig, export
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.request import ruled_out, without
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


@given(
    scores=st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4),
    asked=st.sampled_from([[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]),
)
def test_what_is_left_shares_the_probability_as_before(
    scores: list[float], asked: list[int]
) -> None:
    plain = torch.tensor(scores, dtype=torch.float64)[None, :, None, None]
    ruled = ruled_out(CLASSES, NETWORK.label_names, torch.tensor([asked], dtype=torch.float32))
    assert ruled is not None
    bounded = without(plain, ruled).softmax(1).flatten()
    kept = ~ruled[0]
    expected = torch.where(kept, plain.softmax(1).flatten(), torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(bounded, expected / expected.sum(), atol=1e-9)
    assert kept[:2].all()
    assert kept[2:].tolist() == [bool(asked[2] or asked[0]), bool(asked[2] or asked[1])]


def test_without_a_request_nothing_is_touched() -> None:
    scores = torch.randn(2, 4, 3, 3)
    assert ruled_out(CLASSES, NETWORK.label_names, None) is None
    assert without(scores, None) is scores


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("conditional")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(NETWORK).eval()
        weights = tuple(torch.randn(4, site.channels) for site in generator.sites)
    save_generator(folder / "generator.safetensors", generator)
    facts = SegmenterFacts(
        class_names=CLASSES,
        exemplar_ids=("0" * 16,),
        exemplar_origins=("Drawn by lot.",),
        generator_hash=generator_hash(generator),
    )
    segmenter = Segmenter(site_map=SiteMap(weights=weights, bias=torch.zeros(4)), facts=facts)
    save_segmenter(segmenter, folder / "segmenter.safetensors")
    return folder / "generator.safetensors", folder / "segmenter.safetensors"


def exported(files: Files, out: Path, **settings: object) -> list[dict[str, np.ndarray]]:
    config = ExportConfig.model_validate({"count": 8, "batch": 3, **settings})
    export(*files, config, 7, out)
    shards = ShardSet(out)
    return [shards[index] for index in range(8)]


def test_exported_masks_hold_nothing_that_was_not_asked_for(files: Files, tmp_path: Path) -> None:
    asked = requested_labels(NETWORK, (), True, range(8))
    ruled = ruled_out(CLASSES, NETWORK.label_names, asked)
    assert ruled is not None
    bounded = exported(files, tmp_path / "on", balance=True)
    plain = exported(files, tmp_path / "off", balance=True, use_request=False)
    wrong = 0
    for with_it, without_it, row in zip(bounded, plain, ruled.numpy(), strict=True):
        forbidden = np.flatnonzero(row)
        assert not np.isin(with_it["mask"], forbidden).any()
        assert not (with_it["overlap"] & np.bitwise_or.reduce(1 << forbidden)).any()
        same = ~np.isin(without_it["mask"], forbidden)
        assert np.array_equal(with_it["mask"][same], without_it["mask"][same])
        assert np.array_equal(with_it["image"], without_it["image"])
        wrong += int((~same).sum())
    assert wrong > 0
    images = pd.read_hdf(tmp_path / "on" / "tables.h5", "images")
    assert images["requested"].map(lambda text: text in ("gun", "knife")).all()


def test_without_asking_the_option_changes_nothing(files: Files, tmp_path: Path) -> None:
    on = exported(files, tmp_path / "on")
    off = exported(files, tmp_path / "off", use_request=False)
    for first, second in zip(on, off, strict=True):
        assert all(np.array_equal(first[name], second[name]) for name in ("mask", "overlap"))
