"""The judge learns exact masks, is independent of the labeller, and scores exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import io

from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.evaluate.oracle import OracleConfig, train_oracle
from xraysynth.evaluate.reliability import write_reliability
from xraysynth.evaluate.segmenter import evaluate_segmenter
from xraysynth.oneshot.labeller import (
    LabellerConfig,
    PixelClassifier,
    class_probabilities,
    split_scans,
    train_classifier,
)
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.shards.describe import describe
from xraysynth.shards.samples import ExportInfo, SampleArrays, shard_name
from xraysynth.shards.writer import finish, prepare_folder, write_shard

NAMES = ["background", "bag", "gun"]
TINY = OracleConfig(
    unet=LabellerConfig(steps=100, batch=8, width=8, learning_rate=0.01), held_out=8
)


def blocks(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scans (n, 16, 16, 3) of coloured rectangles on white, and their classes."""
    rng = stream(seed, "blocks")
    masks = np.zeros((count, 16, 16), np.uint8)
    for mask in masks:
        row, col = rng.integers(0, 8, 2)
        mask[2:14, 2:14] = 1
        mask[row : row + 6, col : col + 6] = 2
    colours = np.array([[250, 250, 250], [220, 150, 60], [40, 60, 160]])
    noise = rng.normal(0, 8, (count, 16, 16, 3))
    return np.clip(colours[masks] + noise, 0, 255).astype(np.uint8), masks


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scans") / "scans.h5"
    images, masks = blocks(80, 0)
    metadata = np.zeros(80, schema.table_dtype("scans"))
    batch = ScanBatch(images=images, metadata=metadata, masks=masks)
    write_scans(path, iter([batch]), count=80, classes=NAMES, attributes={})
    return path


def make_shards(folder: Path, names: tuple[str, ...], wrong_rows: int) -> Path:
    images, masks = blocks(20, 1)
    masks[:, :wrong_rows] = 0
    info = ExportInfo(
        class_names=names,
        seed=0,
        generator_hash="0" * 16,
        segmenter_hash="1" * 16,
        settings={"exemplar_origins": ["Drawn by lot."]},
    )
    arrays = SampleArrays(
        images=images,
        masks=masks,
        overlaps=(1 << masks.astype(np.uint32)).astype(np.uint32),
        confidence=np.full_like(masks, 255),
    )
    prepare_folder(folder, info, 1)
    write_shard(folder / shard_name(0), describe(arrays, info, shard_name(0), 0), info)
    finish(folder, info)
    return folder


def test_labeller_oracle_and_test_share_no_scan() -> None:
    split = split_scans(101)
    rows = [*split.labeller, *split.oracle, *split.held_out]
    assert sorted(rows) == list(range(101))


def test_views_of_one_scan_stay_together() -> None:
    split = split_scans(42, n_views=2)
    sets = [set((rows // 2).tolist()) for rows in (split.labeller, split.oracle, split.held_out)]
    assert sum(len(some) for some in sets) == len(set.union(*sets)) == 21
    assert all(len(rows) % 2 == 0 for rows in (split.labeller, split.oracle, split.held_out))


@pytest.fixture(scope="module")
def report(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("judge")
    shards = make_shards(folder / "shards", tuple(NAMES), wrong_rows=0)
    state = torch.random.get_rng_state()
    figures = evaluate_segmenter(shards, scans, TINY, 0, folder / "figures.json")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert json.loads((folder / "figures.json").read_text()) == figures
    return figures


def test_right_masks_score_high_beside_the_oracles_own_score(report: dict[str, Any]) -> None:
    assert report["oracle"]["held_out_scores"]["mean_iou"] > 0.9
    assert report["segmenter"]["mean_iou"] > 0.9
    assert report["segmenter"]["iou"]["gun"] > 0.8
    assert report["samples"] == 20


def test_the_report_says_what_judged_and_what_labelled(report: dict[str, Any]) -> None:
    assert "own seed on the odd rows" in report["oracle"]["independence"]
    assert report["exemplar_origins"] == ["Drawn by lot."]
    assert report["background_counts_in_mean_iou"] is True
    assert report["segmenter"]["threats_merged"]["iou"]["threat"] > 0.8


def test_confidence_is_held_against_the_oracle(report: dict[str, Any]) -> None:
    found = report["confidence"]
    assert set(found) == {"pixels", "pixels off the background", "objects", "scans"}
    # The masks say that they are sure, and are as right as the oracle finds them.
    accuracy = report["segmenter"]["pixel_accuracy"]
    assert found["pixels"]["mean_confidence"] == 1
    assert found["pixels"]["share_right"] == pytest.approx(accuracy, abs=1e-6)
    assert found["pixels"]["expected_calibration_error"] == pytest.approx(1 - accuracy, abs=1e-6)
    assert found["scans"]["answers"] == 20
    assert found["scans"]["rank_correlation"] is None  # All scans are alike sure.
    assert found["objects"]["answers"] > 0
    assert report["confidence_taught"]["pixels"]["answers"] == 20 * 16 * 16


def test_the_curves_are_drawn_beside_the_figures(report: dict[str, Any], tmp_path: Path) -> None:
    write_reliability(tmp_path / "curves.png", report["confidence"])
    write_reliability(tmp_path / "again.png", report["confidence"])
    height, width, _ = io.imread(tmp_path / "curves.png").shape
    assert height > 300
    assert width > 4 * 250
    assert (tmp_path / "curves.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_wrong_masks_score_lower(scans: Path, report: dict[str, Any], tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "shards", tuple(NAMES), wrong_rows=8)
    wrong = evaluate_segmenter(shards, scans, TINY, 0)
    assert wrong["segmenter"]["mean_iou"] < report["segmenter"]["mean_iou"] - 0.2


def test_a_class_that_the_oracle_cannot_know_is_refused(scans: Path, tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "shards", ("background", "bag", "mixed"), wrong_rows=0)
    with pytest.raises(InputError, match=r"class 'mixed', which the simulated scans lack"):
        evaluate_segmenter(shards, scans, TINY, 0)


def test_scans_without_masks_are_refused(tmp_path: Path) -> None:
    images, _ = blocks(20, 0)
    batch = ScanBatch(images=images, metadata=np.zeros(20, schema.table_dtype("scans")))
    write_scans(tmp_path / "real.h5", iter([batch]), count=20, classes=[], attributes={})
    with pytest.raises(InputError, match="has no exact masks"):
        train_oracle(tmp_path / "real.h5", TINY, 0)
    shards = make_shards(tmp_path / "shards", tuple(NAMES), wrong_rows=0)
    with pytest.raises(InputError, match="has no exact masks"):
        evaluate_segmenter(shards, tmp_path / "real.h5", TINY, 0)


def test_training_again_gives_the_same_network_and_another_seed_another(scans: Path) -> None:
    config = LabellerConfig(steps=3, batch=4, width=2)
    rows = split_scans(80).labeller
    first, again, other = (train_classifier(scans, rows, config, seed) for seed in (0, 0, 1))
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_probabilities_do_not_depend_on_the_batch(scans: Path) -> None:
    images, _ = blocks(10, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PixelClassifier(3, NAMES, 4).eval()
    whole = class_probabilities(model, images)
    assert whole.shape == (10, 3, 16, 16)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    assert np.allclose(whole, class_probabilities(model, images, batch=3), atol=1e-5)


def test_the_prior_correction_takes_the_loss_weights_off_the_scores(scans: Path) -> None:
    rows = np.arange(80)
    plain, corrected = (
        train_classifier(
            scans, rows, LabellerConfig(steps=3, batch=4, width=2, prior_correction=strength), 0
        )
        for strength in (0.0, 1.0)
    )
    assert plain.head.bias is not None
    assert corrected.head.bias is not None
    taken = (plain.head.bias - corrected.head.bias).detach().numpy()
    share = np.bincount(blocks(80, 0)[1].ravel()) / (80 * 16 * 16)
    # Weights are the inverse roots of shares, but for one factor common to all.
    assert np.ptp(taken + 0.5 * np.log(share)) < 1e-5
    assert taken[2] > taken[0]
