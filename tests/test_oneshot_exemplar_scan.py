"""An exemplar's scan, latent and number must be of one scan, and its folder is nobody else's."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from oneshot_toy import toy_exemplar, toy_generator
from skimage.measure import block_reduce

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import load_generator
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import sample_images
from xraysynth.oneshot.exemplar import ScanNumber, display_image
from xraysynth.oneshot.exemplar_folder import load_exemplar, save_exemplar
from xraysynth.oneshot.exemplar_scan import (
    BLOCK_PX,
    BRIGHTNESS,
    SAME_SCAN_LEVELS,
    check_same_scan,
    differs_most,
    drawn_scan,
    numbered_latents,
    read_scan,
)


def as_jpeg(image: np.ndarray) -> np.ndarray:
    data = io.BytesIO()
    PIL.Image.fromarray(image).save(data, "JPEG", quality=75)
    return np.asarray(PIL.Image.open(data))


def rounded_otherwise(image: np.ndarray, seed: int) -> np.ndarray:
    step = np.random.default_rng(seed).integers(-2, 3, image.shape)
    return np.clip(image.astype(int) + step, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("name", "count"), [("bundled-64", 60), ("bundled-128", 20)])
def test_a_scan_is_told_from_all_others_and_known_again_after_jpeg_and_rounding(
    name: str, count: int
) -> None:
    generator = load_generator(name)
    asked = requested_labels(generator.config, ["knife"], False, range(count))
    scans = sample_images(generator, 0, count)
    means = block_reduce(scans @ np.array(BRIGHTNESS), (1, BLOCK_PX, BLOCK_PX), np.mean)
    apart = [np.abs(means[:n] - means[n]).max((1, 2)).min() for n in range(1, count)]
    assert min(apart) > SAME_SCAN_LEVELS
    for others in (
        sample_images(generator, 0, count, 0.75),
        sample_images(generator, 0, count, 1.0, asked),
    ):
        assert min(map(differs_most, others, scans)) > SAME_SCAN_LEVELS
    same = [as_jpeg(rounded_otherwise(scan, n)) for n, scan in enumerate(scans)]
    assert max(map(differs_most, same, scans)) < 0.6 * SAME_SCAN_LEVELS


@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (1, 16), (2, 16), (3, 8)])
def test_what_is_shown_of_any_scan_is_the_same_scan(
    channels: int, bits: int, tmp_path: Path
) -> None:
    drawn = np.random.default_rng(0).integers(0, 2**bits, (16, 24, channels))
    scan = drawn.repeat(2, 0).repeat(2, 1).astype(f"uint{bits}")
    PIL.Image.fromarray(display_image(scan)).save(tmp_path / "scan.png")
    check_same_scan(tmp_path / "scan.png", read_scan(tmp_path / "scan.png"), scan)
    with pytest.raises(InputError, match=r"scan\.png is not what this generator draws"):
        check_same_scan(tmp_path / "scan.png", read_scan(tmp_path / "scan.png"), scan[:, ::-1])


@pytest.fixture
def generator() -> Generator:
    return toy_generator()


@pytest.fixture
def folder(generator: Generator, tmp_path: Path) -> Path:
    save_exemplar(toy_exemplar(generator), tmp_path / "mine")
    return tmp_path / "mine"


def say(folder: Path, **more: object) -> None:
    """Change entries of `exemplar.json`."""
    path = folder / "exemplar.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def test_a_latent_of_another_number_than_is_given_is_refused(
    folder: Path, generator: Generator
) -> None:
    (folder / "scan.png").unlink()
    say(folder, seed=5, index=12)
    with pytest.raises(InputError, match="is not the latent of the seed 5, index 12") as caught:
        load_exemplar(folder, generator)
    assert caught.value.code == "exemplar-latent"


def test_a_latent_and_its_number_agree_after_rounding(generator: Generator, tmp_path: Path) -> None:
    latent_w = numbered_latents(generator, 5, [12], 1.0)[0]
    image = drawn_scan(generator, latent_w)
    label_map = np.zeros(image.shape[:2], np.uint8)
    label_map[0, :2] = 1, 2
    exemplar = dataclasses.replace(
        toy_exemplar(generator),
        latent_w=latent_w + np.float32(0.001),
        label_map=label_map,
        image=image,
        scan=ScanNumber(seed=5, index=12),
    )
    save_exemplar(exemplar, tmp_path)
    assert load_exemplar(tmp_path, generator).exemplar_id == exemplar.exemplar_id


@pytest.mark.parametrize("first", ["disc", "air", "Background"])
def test_a_first_class_that_is_not_the_background_is_refused(folder: Path, first: str) -> None:
    say(folder, classes=[first, "a", "b"])
    with pytest.raises(
        InputError, match=rf"mine/exemplar\.json: the first class is '{first}'; want 'background'"
    ) as caught:
        load_exemplar(folder)
    assert caught.value.code == "exemplar-classes"


def test_a_huge_scan_is_refused_before_it_is_unpacked(folder: Path) -> None:
    # As a person may leave it there: one colour takes little on the disk.
    PIL.Image.new("1", (12000, 12000)).save(folder / "scan.png")
    with pytest.raises(InputError, match=r"scan\.png .*12000x12000.*the limit is"):
        load_exemplar(folder)


def test_an_exemplar_is_not_saved_over_labels_in_another_file(
    folder: Path, generator: Generator
) -> None:
    (folder / "l.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"mine has labels in l\.json; choose another folder"):
        save_exemplar(toy_exemplar(generator), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
