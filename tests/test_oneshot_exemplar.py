"""The exemplar's folder round-trips, and every fault of a user's own one has a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oneshot_toy import CLASSES, SIZE, toy_exemplar, toy_generator

from xraysynth.errors import CheckpointError, InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.candidates import label_exemplar, label_exemplars
from xraysynth.oneshot.choice import clear_classes, covering, strangeness
from xraysynth.oneshot.colour_rule import CLASS_NAMES, ColourRule, colour_classes
from xraysynth.oneshot.exemplar import Exemplar, check_exemplar_belongs, display_image
from xraysynth.oneshot.exemplar_folder import load_exemplar, load_exemplars, save_exemplar
from xraysynth.oneshot.labelling import ExemplarConfig, Labeller
from xraysynth.oneshot.make_exemplars import make_exemplars, write_exemplars


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_exemplar(toy_exemplar(toy_generator()), tmp_path / "exemplar")
    return tmp_path / "exemplar"


def test_saving_and_loading_gives_the_same_exemplar(folder: Path) -> None:
    saved, loaded = toy_exemplar(toy_generator()), load_exemplar(folder)
    assert loaded.exemplar_id == saved.exemplar_id
    for field in dataclasses.fields(saved):
        assert np.array_equal(getattr(loaded, field.name), getattr(saved, field.name))


def test_the_label_map_is_an_indexed_png_in_class_colours(folder: Path) -> None:
    picture = PIL.Image.open(folder / "label_map.png")
    assert picture.mode == "P"
    assert (picture.getpalette() or [])[:3] == [255, 255, 255]


def test_another_label_gives_another_id() -> None:
    exemplar = toy_exemplar(toy_generator())
    label_map = exemplar.label_map.copy()
    label_map[0, 0] = 2
    changed = dataclasses.replace(exemplar, label_map=label_map)
    assert changed.exemplar_id != exemplar.exemplar_id


def repaint(folder: Path, label_map: np.ndarray) -> None:
    PIL.Image.fromarray(label_map).save(folder / "label_map.png")


def test_a_label_map_of_another_size_is_refused(folder: Path) -> None:
    repaint(folder, np.zeros((8, 12), np.uint8))
    with pytest.raises(InputError, match="is 12 x 8 pixels; its scan is 16 x 16"):
        load_exemplar(folder)


def test_an_unknown_class_id_names_the_classes(folder: Path) -> None:
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    label_map[3, 3] = 9
    repaint(folder, label_map)
    with pytest.raises(InputError, match=r"class id 9; want 0 to 2 \(background, disc, bar\)"):
        load_exemplar(folder)


def test_a_class_without_pixels_is_named(folder: Path) -> None:
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    label_map[3, 3] = 2
    repaint(folder, label_map)
    with pytest.raises(InputError, match=r"exemplar: .* no pixel of class 'disc'"):
        load_exemplar(folder)


def test_a_coloured_label_map_is_refused(folder: Path) -> None:
    repaint(folder, np.zeros((SIZE, SIZE, 3), np.uint8))
    with pytest.raises(InputError, match="want an indexed PNG"):
        load_exemplar(folder)


def test_missing_labels_are_told_with_what_may_be_there(folder: Path) -> None:
    (folder / "label_map.png").unlink()
    with pytest.raises(InputError, match=r"no label file; want one: label_map\.png \("):
        load_exemplar(folder)


@pytest.mark.parametrize("name", ["exemplar.json", "latent.safetensors", "scan.png"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"no {name}"):
        load_exemplar(folder)


@pytest.mark.parametrize("name", ["label_map.png", "scan.png", "latent.safetensors"])
def test_a_file_of_rubbish_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x00\x01rubbish" * 9)
    with pytest.raises(InputError, match=name):
        load_exemplar(folder)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"seed": ' + "9" * 10_000 + "}", id="long"),
        pytest.param("{", id="cut"),
    ],
)
def test_json_that_is_none_is_named(folder: Path, text: str) -> None:
    (folder / "exemplar.json").write_text(text)
    with pytest.raises(InputError, match=r"exemplar\.json is not readable JSON") as caught:
        load_exemplar(folder)
    assert len(str(caught.value)) < 400
    assert (caught.value.code, caught.value.exit_status) == ("exemplar-json", 2)


def test_a_slip_in_json_is_shown_where_it_is(folder: Path) -> None:
    (folder / "exemplar.json").write_text('{"seed": 0,\n "index" 17}\n')
    with pytest.raises(InputError, match=r"delimiter: line 2 column 10 .*Mend it there"):
        load_exemplar(folder)


def test_json_of_an_editor_that_marks_utf_8_is_read(folder: Path) -> None:
    before, text = load_exemplar(folder), (folder / "exemplar.json").read_text(encoding="utf-8")
    (folder / "exemplar.json").write_text(text, encoding="utf-8-sig")
    assert load_exemplar(folder).exemplar_id == before.exemplar_id
    (folder / "exemplar.json").write_text(text, encoding="utf-16")
    with pytest.raises(InputError, match=r"exemplar\.json is not readable JSON .*want UTF-8"):
        load_exemplar(folder)


@pytest.mark.parametrize(
    ("size_px", "sentence"),
    [
        ([-1, 0], r"exemplar\.json: size_px\.0 is -1; it should be greater than 0"),
        ([16, 0], r"exemplar\.json: size_px\.1 is 0"),
        ([16, 24], r"exemplar\.json: size_px is \[16, 24\]; scan\.png has .* \[16, 16\]"),
    ],
)
def test_a_size_that_the_scan_cannot_have_is_told_of_exemplar_json(
    folder: Path, size_px: list[int], sentence: str
) -> None:
    content = json.loads((folder / "exemplar.json").read_text())
    (folder / "exemplar.json").write_text(json.dumps({**content, "size_px": size_px}))
    with pytest.raises(InputError, match=sentence) as caught:
        load_exemplar(folder)
    assert caught.value.code == "exemplar-json"


@pytest.mark.parametrize("number", [3e38, -1.1e4, np.inf, np.nan, 1e300])
def test_a_latent_that_no_generator_maps_is_refused(folder: Path, number: float) -> None:
    latent_w = np.zeros((6, 4))
    latent_w[2, 1] = number
    dtype = np.float64 if number == 1e300 else np.float32
    data = safetensors.numpy.save({"latent_w": latent_w.astype(dtype)})
    (folder / "latent.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"latent\.safetensors has .*none above 10000"):
        load_exemplar(folder, toy_generator())


def test_an_unknown_key_is_named(folder: Path) -> None:
    content = json.loads((folder / "exemplar.json").read_text())
    (folder / "exemplar.json").write_text(json.dumps({**content, "klasses": []}))
    with pytest.raises(InputError, match="did you mean classes"):
        load_exemplar(folder)


def test_an_exemplar_of_another_generator_is_refused(folder: Path) -> None:
    exemplar = load_exemplar(folder)
    with pytest.raises(CheckpointError, match=r"labelled on generator .*Label a scan of this"):
        check_exemplar_belongs(exemplar, "0" * 16, (6, 4), (SIZE, SIZE))
    with pytest.raises(CheckpointError, match="wants"):
        check_exemplar_belongs(exemplar, exemplar.generator_hash, (10, 4), (SIZE, SIZE))
    with pytest.raises(CheckpointError, match="labelled on generator"):
        make_exemplars(toy_generator(channels=7), ExemplarConfig(labeller=str(folder)), 0)


def test_a_folder_can_be_the_exemplar(folder: Path) -> None:
    config = ExemplarConfig(labeller=str(folder))
    assert make_exemplars(toy_generator(), config, 0)[0].class_names == CLASSES


def test_the_simulator_labeller_needs_scans() -> None:
    with pytest.raises(InputError, match=r"none were given.*`colour`"):
        make_exemplars(toy_generator(), ExemplarConfig(), 0)


def test_the_rule_reads_materials_from_hue() -> None:
    colours = {
        "background": (250, 250, 248),
        "bag": (235, 230, 205),
        "organic": (240, 160, 60),
        "mixed": (90, 180, 90),
        "metal": (60, 80, 200),
        "dense": (20, 10, 30),
    }
    pixels = np.array([[list(colours.values())]], np.uint8)
    found = colour_classes(pixels, ColourRule())[0, 0]
    assert [CLASS_NAMES[class_id] for class_id in found] == list(colours)


def test_the_rule_refuses_scans_without_colour() -> None:
    with pytest.raises(InputError, match="have 2 channels"):
        colour_classes(np.zeros((1, 4, 4, 2), np.uint8), ColourRule())


def test_the_colour_labeller_says_that_no_person_labelled() -> None:
    generator = toy_generator()
    config = ExemplarConfig(labeller="colour", candidates=6)
    (exemplar,) = make_exemplars(generator, config, 0)
    assert exemplar.class_names == ("background", "organic", "metal")
    assert "by a rule, not by a person" in exemplar.origin
    assert exemplar.generator_hash == generator_hash(generator)
    assert make_exemplars(generator, config, 0)[0].exemplar_id == exemplar.exemplar_id
    assert make_exemplars(generator, config, 1)[0].exemplar_id != exemplar.exemplar_id


def test_rare_and_unwanted_classes_are_left_out_and_ids_stay_contiguous() -> None:
    def probabilities(images: np.ndarray) -> np.ndarray:
        labels = np.zeros((len(images), SIZE, SIZE), np.int64)
        labels[:, 2:8], labels[:, 8:12], labels[:, 12:] = 1, 2, 3
        labels[:, 0, 0] = 4
        return np.eye(5, dtype=np.float32)[labels].transpose(0, 3, 1, 2) * 0.9 + 0.02

    labeller = Labeller(
        probabilities=probabilities,
        class_names=("background", "bag", "gun", "knife", "wrench"),
        origin="Labelled by a test.",
    )
    config = ExemplarConfig(candidates=2, min_share=0.01, without=("gun",))
    exemplar = label_exemplar(toy_generator(), labeller, config, 0)
    assert exemplar.class_names == ("background", "bag", "knife")
    assert np.unique(exemplar.label_map).tolist() == [0, 1, 2]


def test_only_classes_with_enough_sure_pixels_count() -> None:
    three = np.zeros((4, SIZE, SIZE), np.float32)
    three[0, :8], three[1, 8:12], three[2, 12:] = 1, 1, 1
    few = three.copy()
    few[1, 8:12], few[2, 8:12, 1:], few[1, 8:12, 0] = 0, 1, 1
    unsure = np.where(three > 0, 0.4, 0.2).astype(np.float32)
    found = [clear_classes(candidate, 0.1, 0.1, 0.5) > 0 for candidate in (three, few, unsure)]
    assert [int(present.sum()) for present in found] == [3, 2, 0]


@given(
    clear=arrays(np.float64, (7, 5), elements=st.sampled_from([0.0, 0.5, 1.0])),
    count=st.integers(1, 9),
)
def test_enough_scans_hold_every_class_that_any_candidate_holds(
    clear: np.ndarray, count: int
) -> None:
    chosen = covering(clear, np.zeros(7), 2.0, count)
    assert len(set(chosen)) == len(chosen) == min(count, 7)
    shown = clear > 0
    if count >= 5:
        held = shown[chosen].any(0) | shown.all(0)
        assert not (shown.any(0) & ~held).any()


def test_rare_classes_come_first_and_clear_ones_before_faint_ones() -> None:
    common, rare = np.eye(3)[[0] * 6 + [1] * 3 + [2]][:, :2], np.eye(3)[[0] * 6 + [1] * 3 + [2]]
    assert covering(rare, np.zeros(10), 1.0, 2) == [9, 6]
    common[7, 1], common[8, 1] = 0.3, 0.3
    assert covering(common, np.zeros(10), 1.0, 1) == [6]


def banded(images: np.ndarray, top: int) -> np.ndarray:
    """Return probabilities of four classes in bands, the upmost of class `top`."""
    labels = np.zeros((len(images), SIZE, SIZE), np.int64)
    labels[:, :4], labels[:, 4:8] = top, 1
    return np.eye(5, dtype=np.float32)[labels].transpose(0, 3, 1, 2) * 0.9 + 0.02


CONTENTS = NetworkConfig(
    resolution=16,
    z_dim=8,
    w_dim=8,
    mapping_layers=2,
    channel_base=128,
    channel_max=8,
    label_names=("gun", "knife", "scissors"),
)
SEEN = ("background", "bag", "gun", "knife", "metal")


def exemplars_asked_for(
    asked: list[list[float]], top: int, count: int | None = None
) -> list[Exemplar]:
    """Return exemplars, of scans asked for and seen as told; by default all that serve."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(CONTENTS).eval()
    labeller = Labeller(
        probabilities=lambda images: banded(images, top), class_names=SEEN, origin="By a test."
    )
    config = ExemplarConfig(candidates=len(asked), count=count or len(asked))
    requests = torch.tensor(asked)
    return label_exemplars(generator, labeller, config, 0, lambda numbers: requests[list(numbers)])


def test_only_scans_recognised_as_what_was_asked_for_are_exemplars() -> None:
    found = exemplars_asked_for([[0, 1, 0], [0, 1, 0], [0, 0, 0]], SEEN.index("knife"))
    assert [exemplar.class_names for exemplar in found] == [("background", "bag", "knife")] * 2


def test_contents_that_no_scan_shows_as_asked_are_named_by_the_request() -> None:
    """The labeller takes the gun for a knife; without that scan no exemplar would hold a gun."""
    asked: list[list[float]] = [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]]
    found = exemplars_asked_for(asked, SEEN.index("knife"))
    threats = sorted(exemplar.class_names[-1] for exemplar in found)
    assert threats == ["gun", "knife", "knife"]
    # One exemplar is the best there is, and that one is sure.
    (best,) = exemplars_asked_for(asked, SEEN.index("knife"), count=1)
    assert best.class_names == ("background", "bag", "knife")


def test_where_no_scan_is_recognised_labels_follow_the_request() -> None:
    (found,) = exemplars_asked_for([[1, 0, 0]], SEEN.index("knife"))
    assert found.class_names == ("background", "bag", "gun")
    assert (found.label_map[:4] == 2).all()


def test_what_no_exemplar_holds_is_named_with_what_to_do(tmp_path: Path) -> None:
    config = ExemplarConfig(labeller="colour", candidates=6, count=2)
    write_exemplars(toy_generator(), config, 0, tmp_path / "exemplar")
    told = json.loads((tmp_path / "exemplar" / "coverage.json").read_text())
    made = load_exemplars(tmp_path / "exemplar")
    held = {name for exemplar in made for name in exemplar.class_names}
    assert len(made) == 2
    assert set(told["held"]) == held
    assert told["missing"] == [name for name in CLASS_NAMES if name not in held]
    assert told["in_words"].startswith("no exemplar (of 2) holds bag, mixed, dense, so they cannot")
    assert "raise exemplar.count" in told["in_words"]


def test_an_exemplar_with_its_coverage_beside_it_can_be_read(tmp_path: Path) -> None:
    config = ExemplarConfig(labeller="colour", candidates=6)
    write_exemplars(toy_generator(), config, 0, tmp_path / "exemplar")
    assert (tmp_path / "exemplar" / "coverage.json").exists()
    assert load_exemplar(tmp_path / "exemplar").class_names == ("background", "organic", "metal")


def test_a_scan_with_nothing_in_it_is_strange_and_one_like_others_is_not() -> None:
    generator = toy_generator()
    latent_z = torch.tensor([[0.0, 0.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0], [-9.0, -9.0, 9.0, -9.0]])
    strange = strangeness(generator, generator.mapping(latent_z), 0)
    assert strange.argmin() == 0
    assert np.array_equal(strange, strangeness(generator, generator.mapping(latent_z), 0))


def test_any_scan_can_be_looked_at() -> None:
    dual = np.full((4, 4, 2), 65535, np.uint16)
    assert display_image(dual).shape == (4, 4, 3)
    assert display_image(dual).max() == 255
