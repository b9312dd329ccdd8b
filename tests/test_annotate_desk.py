"""What is on the desk survives a restart, and what is saved is what was labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from oneshot_toy import SIZE, toy_generator, toy_truth

from xraysynth.errors import DamagedError, InputError
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.annotate import lesson
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.annotate.lesson import LabelledScan, fresh_scans, teach
from xraysynth.oneshot.annotate.runs import label_map_from, runs_from
from xraysynth.oneshot.annotate.start import open_desk
from xraysynth.oneshot.clustering import ClusterConfig
from xraysynth.oneshot.exemplar_folder import load_exemplar, load_exemplars
from xraysynth.oneshot.head import HeadConfig
from xraysynth.oneshot.learn import LearnConfig, learn_segmenter

QUICK = LearnConfig(
    cluster=ClusterConfig(steps=5, images=2, pixels=64, dim=8, prototypes=8, sites_from_px=4),
    head=HeadConfig(views=2, steps=20),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page learn with small settings."""
    monkeypatch.setattr(lesson, "LearnConfig", lambda: QUICK)


@pytest.fixture
def generator() -> Generator:
    return toy_generator()


@pytest.fixture
def desk(generator: Generator, tmp_path: Path) -> Desk:
    return open_desk(generator, tmp_path, 0)


def label_truth(desk: Desk, place: int) -> np.ndarray:
    """Label a scan with what the toy knows: disc as organic (2), bar as metal (3)."""
    truth = toy_truth(torch.from_numpy(desk.scans[place].latent_w)[None])[0]
    labels = np.array([0, 2, 3], np.uint8)[truth]
    desk.relabel(place, labels)
    return labels


@given(
    npst.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)
    )
)
def test_runs_give_the_label_map_back(label_map: np.ndarray) -> None:
    runs = runs_from(label_map)
    rows, columns = label_map.shape
    assert np.array_equal(label_map_from(runs, (rows, columns), 5), label_map)
    assert json.loads(json.dumps(runs)) == runs


@pytest.mark.parametrize(
    "runs",
    [None, {}, [0], [0, 3], [0, 5], [9, 4], [-1, 4], [0, -4, 0, 8], ["0", 4], [True, 4], [0, 4.0]],
)
def test_runs_of_anything_else_are_refused(runs: object) -> None:
    with pytest.raises(InputError, match="the labels are"):
        label_map_from(runs, (2, 2), 2)


def test_a_restart_finds_scans_classes_and_labels(desk: Desk, generator: Generator) -> None:
    labels = label_truth(desk, 2)
    desk.add_class("pocket knife")
    desk.choose(2)
    again = open_desk(generator, desk.folder, 0)
    assert again.current == 2
    assert again.class_names == ["background", "bag", "organic", "metal", "pocket knife"]
    assert np.array_equal(again.label_maps[2], labels)
    assert [scan.scan for scan in again.scans] == [scan.scan for scan in desk.scans]
    assert all(
        np.array_equal(one.groups, other.groups)
        for one, other in zip(again.scans, desk.scans, strict=True)
    )


def test_work_on_another_generator_is_refused(desk: Desk) -> None:
    kept = {path: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"holds work on generator .* Choose another folder"):
        open_desk(toy_generator(channels=7), desk.folder, 0)
    assert kept and kept == {path: path.read_bytes() for path in kept}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"current": 0', '"current": 99'),
        lambda text: text.replace('"version": 1', '"version": 7'),
        lambda text: text.replace('"bag"', '"b,ag"'),
        lambda text: text.replace("256", "255"),
        lambda text: "[]",
    ],
)
def test_damaged_work_is_named_and_not_overwritten(
    spoil: object, desk: Desk, generator: Generator
) -> None:
    path = desk.folder / "annotate.json"
    assert callable(spoil)
    spoiled = spoil(path.read_text())
    assert spoiled != path.read_text()
    path.write_text(spoiled)
    with pytest.raises(DamagedError, match=r"annotate\.json"):
        open_desk(generator, desk.folder, 0)
    assert path.read_text() == spoiled


def test_what_is_saved_has_the_classes_that_were_used(desk: Desk, generator: Generator) -> None:
    labels = label_truth(desk, 0)
    assert desk.save() == [desk.folder]
    exemplar = load_exemplar(desk.folder, generator)
    assert exemplar.class_names == ("background", "organic", "metal")
    assert np.array_equal(np.array([0, 2, 3])[exemplar.label_map], labels)
    assert exemplar.scan == desk.scans[0].scan
    assert "by a person" in exemplar.origin


def test_several_labelled_scans_are_saved_and_stale_ones_go(
    desk: Desk, generator: Generator
) -> None:
    for place in (0, 1, 4):
        label_truth(desk, place)
    desk.choose(4)
    desk.save()
    loaded = load_exemplars(desk.folder, generator)
    assert [one.exemplar_id for one in loaded] == [one.exemplar_id for one in desk.exemplars()]
    assert loaded[0].scan == desk.scans[4].scan
    desk.relabel(1, np.zeros((SIZE, SIZE), np.uint8))
    desk.save()
    assert len(load_exemplars(desk.folder, generator)) == 2


def test_nothing_labelled_or_no_background_is_told(desk: Desk) -> None:
    with pytest.raises(InputError, match="no scan has a label yet"):
        desk.save()
    desk.relabel(0, np.full((SIZE, SIZE), 1, np.uint8))
    with pytest.raises(InputError, match="no background left"):
        desk.save()
    assert not (desk.folder / "exemplar.json").exists()


def test_a_removed_class_becomes_background_and_the_others_move_up(desk: Desk) -> None:
    labels = label_truth(desk, 0)
    desk.remove_class(2)
    assert desk.class_names == ["background", "bag", "metal"]
    assert np.array_equal(desk.label_maps[0], np.where(labels == 3, 2, 0))
    with pytest.raises(InputError, match="background cannot be removed"):
        desk.remove_class(0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("metal", "is there already"), ("a,b", "no class name"), ("x" * 40, "no class name")],
)
def test_a_class_that_cannot_be_added_is_told(name: str, sentence: str, desk: Desk) -> None:
    with pytest.raises(InputError, match=sentence):
        desk.add_class(name)


def test_the_page_learns_what_the_command_learns(desk: Desk, generator: Generator) -> None:
    label_truth(desk, 0)
    label_truth(desk, 3)
    segmenter = teach(desk, desk.exemplars())
    desk.save()
    same = learn_segmenter(generator, load_exemplars(desk.folder, generator), QUICK, 0)
    assert same.facts == segmenter.facts
    for one, other in zip(segmenter.site_map.weights, same.site_map.weights, strict=True):
        assert torch.equal(one, other)


def test_fresh_scans_are_labelled_with_the_ids_of_the_desk(desk: Desk) -> None:
    label_truth(desk, 0)
    segmenter = teach(desk, desk.exemplars())
    tiles = fresh_scans(desk, segmenter, desk.class_names, range(8))
    truth = [toy_truth(torch.from_numpy(latent)[None])[0] for latent in latents_of(desk, tiles)]
    wanted = np.array([0, 2, 3])[np.stack(truth)]
    found = np.stack([tile.label_map for tile in tiles])
    assert set(np.unique(found)) <= {0, 2, 3}
    assert (found == wanted).mean() > 0.8
    assert all(0 < tile.confidence <= 1 for tile in tiles)
    other = fresh_scans(desk, segmenter, ["background", "metal"], range(8))
    assert np.array_equal(np.stack([tile.label_map for tile in other]), np.where(found == 3, 1, 0))


def latents_of(desk: Desk, tiles: list[LabelledScan]) -> list[np.ndarray]:
    """Return the latents of labelled scans."""
    desk.put([tile.scan for tile in tiles], ["" for _ in tiles])
    return [scan.latent_w for scan in desk.scans[-len(tiles) :]]


def test_wide_dual_energy_scans_of_a_conditional_generator_are_labelled_alike(
    tmp_path: Path,
) -> None:
    config = NetworkConfig(
        resolution=16,
        base_grid=(4, 6),
        image_channels=2,
        pixel_bits=16,
        label_names=("gun", "knife"),
        z_dim=8,
        w_dim=8,
        channel_base=64,
        channel_max=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(config).eval().requires_grad_(False)
    desk = open_desk(generator, tmp_path, 0)
    assert desk.scans[0].groups.shape == (3, 16, 24)
    assert desk.scans[0].image.shape == (16, 24, 2)
    labels = np.zeros((16, 24), np.uint8)
    labels[2:9, 14:23] = 3
    desk.relabel(0, labels)
    desk.save()
    exemplar = load_exemplar(tmp_path, generator)
    assert np.array_equal(exemplar.label_map, labels // 3)
    segmenter = teach(desk, desk.exemplars())
    tile = fresh_scans(desk, segmenter, desk.class_names, range(1))[0]
    assert tile.label_map.shape == (16, 24)
    assert np.array_equal(open_desk(generator, tmp_path, 0).label_maps[0], labels)


def test_a_folder_with_labels_of_another_tool_is_left_alone(
    desk: Desk, generator: Generator, tmp_path: Path
) -> None:
    label_truth(desk, 0)
    (tmp_path / "l.json").write_text("{}")
    for attempt in (desk.save, lambda: open_desk(generator, tmp_path, 0)):
        with pytest.raises(InputError, match=r"has labels in l\.json; choose another folder"):
            attempt()
    assert not (tmp_path / "exemplar.json").exists()
