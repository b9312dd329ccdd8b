"""Networks that can be asked what a scan holds: labels, projection, drop-out, requests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_labelled import LABELLED, NAMES, TINY, config, labelled_scans, numbers
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.gan import grids, trainer
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.contents import (
    check_request,
    choose_names,
    multi_hot,
    requested_labels,
    requested_names,
)
from xraysynth.gan.data import ScanStream
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.fitting import fitted
from xraysynth.gan.generator import Generator
from xraysynth.gan.layers import Dense, activate
from xraysynth.gan.losses import contents_loss
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return labelled_scans(tmp_path / "scans.h5")


# The equations, by hand


def test_codes_of_latent_and_labels_join_normalised() -> None:
    mapping = Generator(LABELLED).mapping
    latent_z, labels = numbers(3, 8), torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 0]])
    embedded = labels @ mapping.embed.weight.T / 3**0.5 + mapping.embed.bias
    parts = [
        part / (part.square().mean(1, keepdim=True) + 1e-8).sqrt() for part in (latent_z, embedded)
    ]
    codes = torch.cat(parts, dim=1)
    for layer in (mapping.get_submodule("fc0"), mapping.get_submodule("fc1")):
        assert isinstance(layer, Dense)
        weight = layer.weight * 0.01 / layer.weight.shape[1] ** 0.5
        codes = activate(codes @ weight.T + layer.bias * 0.01)
    torch.testing.assert_close(mapping.single(latent_z, labels), codes, rtol=1e-4, atol=1e-6)


def test_score_is_the_projection_of_features_on_the_label() -> None:
    network = Discriminator(LABELLED)
    images, labels = (
        numbers(4, 3, 16, 16),
        torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]),
    )
    features = images
    for resolution in network.halvings:
        features = network.get_submodule(f"b{resolution}")(features)
    vectors, _ = network.b4(features)
    direction = network.mapping(labels, vectors)
    by_hand = [sum((a * b).tolist()) / 8**0.5 for a, b in zip(vectors, direction, strict=True)]
    torch.testing.assert_close(
        network(images, labels)[:, 0], torch.tensor(by_hand), rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(network(images, labels), network(images, labels.flip(0)))


def test_unlabelled_networks_have_no_further_parameters() -> None:
    for kind in (Generator, Discriminator):
        plain, labelled = kind(TINY).state_dict(), kind(LABELLED).state_dict()
        assert not any("embed" in name for name in plain)
        extra = {name for name in labelled if name not in plain}
        assert all(name.startswith("mapping.") for name in extra)


def test_not_asking_is_asking_for_unknown() -> None:
    generator, latent_z = Generator(LABELLED), numbers(2, 8)
    unknown = torch.tensor([[0.0, 0, 1]]).expand(2, -1)
    assert torch.equal(generator(latent_z), generator(latent_z, labels=unknown))
    empty = torch.zeros(2, 3)
    assert not torch.allclose(generator(latent_z), generator(latent_z, labels=empty))


def test_gradient_flows_to_every_parameter() -> None:
    generator, discriminator = Generator(LABELLED), Discriminator(LABELLED)
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    image = generator(numbers(4, 8), labels=labels)
    discriminator(image, labels).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


# Labels of the data


def test_names_are_ours_whatever_their_case() -> None:
    rows = [frozenset({"gun"}), frozenset({"Lamp", "organic"}), None, frozenset()]
    assert choose_names(rows, "threats", "scans.h5") == ("gun", "Lamp")
    assert choose_names(rows, ("Organic", "Lamp"), "scans.h5") == ("organic", "Lamp")


def test_upper_case_labels_of_a_data_set_are_our_classes(tmp_path: Path) -> None:
    path = labelled_scans(tmp_path / "real.h5", label='["Gun", "Knife"]')
    assert fitted(path, config()).network.label_names == NAMES


@pytest.mark.parametrize(
    ("label", "choice", "sentence"),
    [
        ("", "threats", "no labels of threats; set `labels: none`"),
        ('["organic"]', "threats", "no labels of threats"),
        ('["gun"]', ["gin"], "'gin' is no label in .*did you mean gun"),
        ("gun", "threats", "want a JSON list of names"),
        ('{"gun": 1}', "threats", "want a JSON list of names"),
    ],
)
def test_labels_that_do_not_serve_are_named(
    tmp_path: Path, label: str, choice: object, sentence: str
) -> None:
    path = labelled_scans(tmp_path / "bad.h5", label=label)
    if label == "":
        path = tmp_path / "none.h5"
        batch = ScanBatch(
            images=np.zeros((4, 16, 16, 3), np.uint8), metadata=np.zeros(4, table_dtype("scans"))
        )
        write_scans(path, iter([batch]), count=4, classes=[], attributes={})
    with pytest.raises(InputError, match=sentence):
        fitted(path, config(labels=choice))


def test_real_scans_come_with_their_own_labels(scans: Path) -> None:
    feed = ScanStream(scans, 1, mirror=False, label_names=NAMES)
    images = feed.batch(5, 20, 16)
    labels, _ = feed.labels(5, 20, drop=0.0, paired=False)
    feed.close()
    assert labels is not None
    bright = (
        torch.stack([images[:, :, :8].mean((1, 2, 3)), images[:, :, 8:].mean((1, 2, 3))], 1) > 0
    )
    assert torch.equal(labels[:, :2], bright.float())


def test_labels_to_draw_by_are_distributed_as_the_scans(scans: Path) -> None:
    feed = ScanStream(scans, 1, mirror=False, label_names=NAMES)
    real, drawn = feed.labels(0, 4000, drop=0.25, paired=False)
    _, paired = feed.labels(0, 40, drop=0.25, paired=True)
    again = feed.labels(0, 40, drop=0.25, paired=True)[0]
    feed.close()
    assert real is not None and drawn is not None and paired is not None
    for labels in (real, drawn):
        assert labels[:, 2].mean().item() == pytest.approx(0.25, abs=0.03)
        assert labels[labels[:, 2] == 1, :2].sum() == 0
        assert labels[labels[:, 2] == 0, :2].mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    assert not torch.equal(real, drawn)
    assert again is not None and torch.equal(paired, again)


# Requests


def test_pictures_come_with_what_was_asked(tmp_path: Path, scans: Path) -> None:
    checkpoint = str(trainer.train(scans, tmp_path / "run", config(kimg=0.008)))
    out = tmp_path / "pictures"
    common = ["generate", "--gan", checkpoint, "--count", "3", "--out", str(out)]
    assert main([*common, "--balance"]) == 0
    lines = (out / "requested.csv").read_text().split()
    assert lines == [
        "file,requested",
        "scan-00000.png,gun",
        "scan-00001.png,knife",
        "scan-00002.png,gun",
    ]
    first = (out / "scan-00000.png").read_bytes()
    assert main([*common, "--contains", "Gun"]) == 0
    assert (out / "scan-00000.png").read_bytes() == first
    assert main([*common, "--contains", "bomb"]) == 2


def test_nothing_of_earlier_pictures_stays_among_new_ones(
    tmp_path: Path, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(trainer.train(scans, tmp_path / "run", config(kimg=0.008)))
    out = tmp_path / "pictures"
    common = ["generate", "--gan", checkpoint, "--out", str(out)]
    assert main([*common, "--count", "4", "--balance"]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*common, "--count", "2", "--seed", "5"]) == 2
    assert "holds scan-00002.png of another run, and 2 scans end at" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*common, "--count", "4", "--seed", "5"]) == 0
    assert {path.name for path in out.iterdir()} == set(before) - {"requested.csv"}


def test_pictures_are_the_same_however_many_are_drawn(tmp_path: Path) -> None:
    for count in (17, 32):
        out = str(tmp_path / str(count))
        assert main(["generate", "--gan", "bundled", "--count", str(count), "--out", out]) == 0
    for first in sorted((tmp_path / "17").glob("scan-*.png")):
        assert first.read_bytes() == (tmp_path / "32" / first.name).read_bytes(), first.name


def test_grids_of_many_contents_show_the_first_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "sample_images", lambda *_, labels=None: np.zeros((1, 8, 8, 3)))
    rows = {}
    for count in (2, 12, 40):
        names = tuple(f"thing {number}" for number in range(count))
        generator = Generator(TINY.model_copy(update={"label_names": names}))
        rows[count] = len(grids.grid_images(generator, 0))
    assert rows == {2: 3, 12: 13, 40: 13}


@given(
    count=st.integers(1, 40),
    contains=st.sets(st.sampled_from(["gun", "knife"])),
)
def test_balanced_request_asks_each_class_equally_often(count: int, contains: set[str]) -> None:
    asked = [requested_names(LABELLED, sorted(contains), True, index) for index in range(2 * count)]
    for name in ("gun", "knife"):
        expected = 2 * count if name in contains else count
        assert sum(name in names for names in asked) == expected


def test_request_depends_on_the_sample_alone() -> None:
    many = requested_labels(LABELLED, ["knife"], True, range(10))
    one = requested_labels(LABELLED, ["knife"], True, [7])
    assert many is not None and one is not None
    assert torch.equal(many[7:8], one)
    assert requested_labels(LABELLED, [], False, range(3)) is None


@given(count=st.integers(1, 40))
def test_none_is_one_turn_more_and_asks_for_an_empty_row(count: int) -> None:
    asked = [requested_names(LABELLED, ["none"], True, index) for index in range(3 * count)]
    assert [asked.count((name,)) for name in ("gun", "knife", "none")] == [count] * 3
    rows = requested_labels(LABELLED, ["none"], True, range(3))
    assert rows is not None
    assert rows[2].tolist() == [0.0] * len(LABELLED.label_names)
    assert requested_names(LABELLED, ["none"], False, count) == ("none",)


def test_a_content_that_is_called_none_is_asked_for_as_any_other() -> None:
    own = NetworkConfig(label_names=("gun", "none"))
    assert check_request(own, ["gun", "None"], False, "it") == ("gun", "none")
    assert requested_names(own, ["none"], False, 3) == ("none",)
    labels = requested_labels(own, ["none"], False, [0])
    assert labels is not None
    assert labels.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("network", "contains", "balance", "sentence"),
    [
        (TINY, ["gun"], False, "was trained without labels"),
        (TINY, [], True, "was trained without labels"),
        (LABELLED, ["gan"], False, "'gan' is no content that it knows; did you mean gun"),
        (LABELLED, ["unknown"], False, "'unknown' is no content"),
        (TINY, ["none"], False, "was trained without labels"),
        (LABELLED, ["gun", "NONE"], False, "to hold gun and none of all contents at once"),
    ],
)
def test_request_that_cannot_be_met_is_named(
    network: NetworkConfig, contains: list[str], balance: bool, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        check_request(network, contains, balance, "it")


@given(st.lists(st.none() | st.frozensets(st.sampled_from(["gun", "knife"])), max_size=9))
def test_multi_hot_says_what_the_rows_say(rows: list[frozenset[str] | None]) -> None:
    table = multi_hot(rows, NAMES)
    back = [None if row[2] else frozenset(np.array(NAMES)[row == 1].tolist()) for row in table]
    assert back == rows


def test_contents_loss_is_cross_entropy_of_known_rows() -> None:
    named, labels = torch.zeros(2, 3), torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    loss = contents_loss(named, labels, known=torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(3 * math.log(2) / 2)
