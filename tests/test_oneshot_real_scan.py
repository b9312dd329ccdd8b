"""A labelled real scan becomes an exemplar: inverted, judged in words, learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from test_gan_inversion import small_generator

from xraysynth.cli import main
from xraysynth.errors import InputError, SettingsError
from xraysynth.gan import inversion
from xraysynth.gan.checkpoint import generator_hash, save_generator
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import sample_images
from xraysynth.gan.inversion import InversionConfig
from xraysynth.oneshot.exemplar_folder import load_exemplars
from xraysynth.oneshot.labelling import ExemplarConfig
from xraysynth.oneshot.make_exemplars import write_exemplars
from xraysynth.oneshot.real_scan import inverted_exemplars, read_real_scan, save_inverted
from xraysynth.oneshot.segmenter import load_segmenter
from xraysynth.settings import settings_from_mapping

QUICK = InversionConfig(candidates=64, steps=120, pull=0.0)
INSTANT = InversionConfig(candidates=1, steps=1)
SLOW = InversionConfig(candidates=64, steps=10_000)
SIZE = 16
FACTOR = 3
"""The real scan is so many times as large as what the generator draws."""


@pytest.fixture(scope="module")
def generator() -> Generator:
    return small_generator()


def write_scan(folder: Path, image: np.ndarray, name: str = "bag") -> tuple[Path, Path]:
    """Write a scan enlarged, and a labelme file with a knife in a corner and a bag around it."""
    side = SIZE * FACTOR
    large = image.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1)
    PIL.Image.fromarray(large).save(folder / f"{name}.png")
    shapes = [
        {"label": label, "shape_type": "rectangle", "points": points}
        for label, points in [
            ("bag", [[0, 0], [side, side // 2]]),
            ("knife", [[0, 0], [4 * FACTOR, 4 * FACTOR]]),
        ]
    ]
    labels = {"shapes": shapes, "imageWidth": side, "imageHeight": side}
    (folder / f"{name}.json").write_text(json.dumps(labels))
    return folder / f"{name}.png", folder / f"{name}.json"


@pytest.fixture
def scan(generator: Generator, tmp_path: Path) -> tuple[Path, Path]:
    return write_scan(tmp_path, sample_images(generator, 99, 1)[0])


def test_scan_and_labels_come_to_the_generators_size_alike(
    generator: Generator, scan: tuple[Path, Path]
) -> None:
    real = read_real_scan(*scan, generator)
    assert np.array_equal(real.image, sample_images(generator, 99, 1)[0])
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[: SIZE // 2] = 1
    expected[:4, :4] = 2
    assert np.array_equal(real.labels.label_map, expected)
    assert real.labels.class_names == ("background", "bag", "knife")


def test_a_scan_that_the_generator_knows_is_found_and_said_to_fit(
    generator: Generator, scan: tuple[Path, Path]
) -> None:
    (found,) = inverted_exemplars(generator, [scan], QUICK, 0)
    assert found.relative_error < 0.25
    assert not found.is_bad
    assert "fit what it draws" in found.in_words()
    assert found.exemplar.generator_hash == generator_hash(generator)
    with torch.no_grad():
        drawn = generator.synthesis(torch.from_numpy(found.exemplar.latent_w)[None])
    assert drawn.shape[0] == 1
    difference = found.exemplar.image.astype(int) - found.real
    assert np.sqrt(np.mean((difference / 255) ** 2)) == pytest.approx(found.error, abs=1e-6)


def test_a_scan_that_it_cannot_draw_is_said_to_be_bad(generator: Generator, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    (found,) = inverted_exemplars(generator, [write_scan(tmp_path, noise)], QUICK, 0)
    assert found.is_bad
    assert "That is bad" in found.in_words() or "Bad within" in found.in_words()


def test_the_folder_is_an_exemplar_like_any_other(
    generator: Generator, scan: tuple[Path, Path], tmp_path: Path
) -> None:
    (found,) = inverted_exemplars(generator, [scan], QUICK, 0)
    save_inverted(found, tmp_path / "exemplar")
    (loaded,) = load_exemplars(tmp_path / "exemplar", generator)
    assert loaded.exemplar_id == found.exemplar.exemplar_id
    assert "real scan bag.png" in loaded.origin
    figures = json.loads((tmp_path / "exemplar" / "inversion.json").read_text())
    assert figures["error"] == pytest.approx(found.error, abs=1e-6)
    assert set(figures["error_by_class"]) == {"background", "bag", "knife"}


def test_settings_of_a_pipeline_take_several_real_scans(
    generator: Generator, tmp_path: Path
) -> None:
    images = sample_images(generator, 99, 2)
    pairs = [write_scan(tmp_path, image, f"bag{n}") for n, image in enumerate(images)]
    config = ExemplarConfig(
        real_scans=tuple(str(scan) for scan, _ in pairs),
        real_labels=tuple(str(labels) for _, labels in pairs),
        inversion=QUICK,
    )
    assert config.files == [path for pair in pairs for path in pair]
    write_exemplars(generator, config, 0, tmp_path / "exemplar")
    loaded = load_exemplars(tmp_path / "exemplar", generator)
    assert [exemplar.origin.split(",")[0] for exemplar in loaded] == [
        f"A person's labels of the real scan bag{n}.png" for n in range(2)
    ]


def test_scans_and_label_files_must_pair_up() -> None:
    with pytest.raises(SettingsError, match="real_scans names 1 files and real_labels 0"):
        settings_from_mapping(ExemplarConfig, {"real_scans": ["bag.png"]})


def changed(labels: Path, **content: Any) -> Path:
    labels.write_text(json.dumps({**json.loads(labels.read_text()), **content}))
    return labels


def test_labels_of_another_size_are_refused(generator: Generator, scan: tuple[Path, Path]) -> None:
    changed(scan[1], imageWidth=99)
    with pytest.raises(InputError, match="is 99 x 48 pixels; its scan is 48 x 48"):
        read_real_scan(*scan, generator)


def write_map(folder: Path, name: str, ids: tuple[int, ...]) -> tuple[Path, Path]:
    """Write a scan, and a label map with a row of each id under open air."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    label_map = np.zeros((SIZE, SIZE), np.uint8)
    for row, class_id in enumerate(ids):
        label_map[row] = class_id
    PIL.Image.fromarray(noise).save(folder / f"{name}.png")
    PIL.Image.fromarray(label_map).save(folder / f"{name}-map.png")
    return folder / f"{name}.png", folder / f"{name}-map.png"


def test_scans_may_show_different_classes(generator: Generator, tmp_path: Path) -> None:
    scans = [write_map(tmp_path, "a", (1,)), write_map(tmp_path, "b", (2,))]
    names = ("background", "knife", "gun")
    found = inverted_exemplars(generator, scans, INSTANT, 0, class_names=names)
    assert [one.exemplar.class_names[1:] for one in found] == [("knife",), ("gun",)]
    for row, one in enumerate(found):
        assert np.array_equal(one.exemplar.label_map, np.arange(SIZE)[:, None] == np.zeros(SIZE))
        assert set(one.class_errors) == {"background", names[row + 1]}


def test_a_class_that_no_scan_shows_is_named_with_the_files(
    generator: Generator, tmp_path: Path
) -> None:
    scans = [write_map(tmp_path, "a", (1,)), write_map(tmp_path, "b", (1,))]
    names = ("background", "knife", "gun")
    with pytest.raises(InputError, match=r"'gun' in .*a-map\.png, .*b-map\.png") as caught:
        inverted_exemplars(generator, scans, INSTANT, 0, class_names=names)
    assert "exemplar.json" not in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "names", "sentence"),
    [
        ((1,) * SIZE, ("background", "knife"), "'background'; leave what is open belt and air"),
        ((), ("background",), "1 classes were given"),
        ((1,), ("knife", "bag"), "first class is 'knife'; want 'background'"),
    ],
)
def test_a_scan_without_background_or_objects_is_told_before_the_inversion(
    generator: Generator,
    tmp_path: Path,
    ids: tuple[int, ...],
    names: tuple[str, ...],
    sentence: str,
) -> None:
    with pytest.raises(InputError, match=sentence):
        inverted_exemplars(generator, [write_map(tmp_path, "a", ids)], SLOW, 0, class_names=names)


def test_a_class_that_vanishes_is_named(generator: Generator, scan: tuple[Path, Path]) -> None:
    speck = {"label": "knife", "shape_type": "rectangle", "points": [[4, 4], [5, 5]]}
    whole = {"label": "bag", "shape_type": "rectangle", "points": [[0, 0], [48, 24]]}
    changed(scan[1], shapes=[whole, speck])
    with pytest.raises(InputError, match="'knife' vanishes when the scan of 48 x 48 pixels"):
        read_real_scan(*scan, generator)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no picture", "cannot be inverted: it is not a PNG"), (None, "cannot be read")],
)
def test_a_scan_that_cannot_be_read_is_named(
    generator: Generator, scan: tuple[Path, Path], content: bytes | None, sentence: str
) -> None:
    scan[0].unlink()
    if content:
        scan[0].write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_real_scan(*scan, generator)


def test_one_command_inverts_and_learns(
    generator: Generator,
    scan: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    own = ["--gan", str(tmp_path / "g.safetensors"), "--labels", str(scan[1])]
    invert = ["invert", str(scan[0]), *own, "--out", str(tmp_path / "exemplar")]
    settings = ["candidates=64", "steps=120", "pull=0"]
    assert main([*invert, *(part for text in settings for part in ("--set", text))]) == 0
    said = capsys.readouterr()
    assert "of full scale" in said.out + said.err
    learn = ["learn", "--scan", str(scan[0]), *own, "--set", "cluster.steps=2"]
    assert main([*learn, "--out", str(tmp_path / "s.safetensors")]) == 0
    facts = load_segmenter(tmp_path / "s.safetensors").facts
    assert facts.class_names == ("background", "bag", "knife")
    assert "real scan bag.png" in facts.exemplar_origins[0]
    assert (tmp_path / "s.exemplars" / "real.png").is_file()


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands invert in no time."""
    monkeypatch.setattr(inversion, "InversionConfig", lambda: INSTANT)


@pytest.mark.usefixtures("instant")
def test_exemplars_of_an_earlier_run_are_not_learned_again(
    generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    scans = sample_images(generator, 99, 2)
    pairs = [write_scan(tmp_path, scan, f"bag{n}") for n, scan in enumerate(scans)]
    learn = ["learn", "--gan", str(tmp_path / "g.safetensors"), "--set", "cluster.steps=2"]
    two, one = (
        [part for scan, labels in given for part in ("--scan", scan, "--labels", labels)]
        for given in (pairs, pairs[:1])
    )
    for name in ("model.v1", "model.v2"):
        assert main([*map(str, [*learn, *two]), "--out", str(tmp_path / name)]) == 0
        assert len(load_exemplars(tmp_path / f"{name}.exemplars", generator)) == 2
    assert main([*map(str, [*learn, *two]), "--out", str(tmp_path / "model.v1")]) == 0
    capsys.readouterr()
    assert main([*map(str, [*learn, *one]), "--out", str(tmp_path / "model.v1")]) == 2
    assert "01 would stay among the exemplars" in capsys.readouterr().err
    assert len(load_exemplars(tmp_path / "model.v1.exemplars", generator)) == 2


@pytest.mark.parametrize("file", ["l.json", "exemplar.json"])
def test_an_exemplar_of_a_person_is_not_written_over(
    generator: Generator,
    scan: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / file).write_text('{"seed": 0, "index": 17}')
    own = ["--gan", str(tmp_path / "g.safetensors"), "--labels", str(scan[1])]
    words = ["invert", str(scan[0]), *own, "--out", str(tmp_path / "mine")]
    assert main([*words, "--set", "steps=100000"]) == 2
    assert "choose another" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [file]


@pytest.mark.parametrize("command", ["learn", "invert"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    generator: Generator,
    scan: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    (tmp_path / "file").write_text("")
    own = ["--gan", str(tmp_path / "g.safetensors"), "--labels", str(scan[1])]
    words = {
        "learn": ["learn", "--scan", str(scan[0]), "--set", "cluster.steps=1000000"],
        "invert": ["invert", str(scan[0]), "--set", "steps=1000000"],
    }[command]
    assert main([*words, *own, "--out", str(tmp_path / "file" / "x")]) == 2
    assert "choose another folder, then run the same command" in capsys.readouterr().err


def test_a_fault_of_the_labels_leaves_no_folder(
    generator: Generator, scan: tuple[Path, Path], tmp_path: Path
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    own = ["--gan", str(tmp_path / "g.safetensors"), "--labels", str(tmp_path / "nowhere.json")]
    assert main(["invert", str(scan[0]), *own, "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--exemplar", "a", "--classes", "a,b"], "--classes names the classes of --labels"),
        ([], "nothing to learn from"),
        (["--scan", "a.png"], "1 scans and 0 label files were given"),
    ],
)
def test_learn_says_what_is_missing(
    generator: Generator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    save_generator(tmp_path / "g.safetensors", generator)
    own = ["--gan", str(tmp_path / "g.safetensors"), "--out", str(tmp_path / "s.safetensors")]
    assert main(["learn", *own, *arguments]) == 2
    assert sentence in capsys.readouterr().err
