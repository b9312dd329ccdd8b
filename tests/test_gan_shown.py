"""Discriminators see generated scans as exports show them: clipped to the scans' range, rounded."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from test_gan_trainer import config, scan_file

from xraysynth.errors import SettingsError
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import load_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.sampling import generated_images
from xraysynth.gan.values import ValueMap, as_shown, to_pixels, to_values
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype
from xraysynth.settings import settings_from_mapping


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return scan_file(tmp_path / "scans.h5")


@pytest.mark.parametrize("ends", [(5, 5), (9, 3), (0, 256), (-1, 4)])
def test_ranges_that_no_pixels_have_are_named(ends: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="pixel_range should be two rising pixels of 8 bits"):
        settings_from_mapping(NetworkConfig, {"pixel_range": ends}, "network")


def test_shown_is_what_the_pixels_are() -> None:
    values = torch.randn((2, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    shown = as_shown(values, (0, 255), 8)
    np.testing.assert_array_equal(to_pixels(shown), to_pixels(values))
    torch.testing.assert_close(shown, to_values(to_pixels(values)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value_map", ["linear", "line_integral"])
def test_nothing_is_shown_beyond_the_range(value_map: ValueMap) -> None:
    values = torch.linspace(-2, 2, 64).reshape(1, 1, 8, 8)
    pixels = to_pixels(as_shown(values, (12, 200), 16, value_map), value_map, np.uint16, 16)
    assert (pixels.min(), pixels.max()) == (12, 200)


def test_gradient_passes_but_never_out_of_range() -> None:
    values = torch.tensor([-1.5, -1.5, 0.1, 0.1, 1.5, 1.5]).reshape(1, 1, 1, 6).requires_grad_()
    push = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])  # A step goes against the gradient.
    (as_shown(values, (0, 255), 8) * push).sum().backward()
    assert values.grad is not None
    assert values.grad.flatten().tolist() == [0.0, -1.0, 1.0, -1.0, 1.0, 0.0]


def test_scans_of_fewer_pixels_hold_whole_ones() -> None:
    pixels = np.array([[1, 2], [2, 2]], np.uint8)[None, :, :, None]
    assert ((to_values(pixels, shrink=2) + 1) * 127.5).item() == pytest.approx(2.0, abs=1e-4)


def test_nothing_is_drawn_beyond_the_pixels_of_the_scans(tmp_path: Path, scans: Path) -> None:
    with h5py.File(scans) as file:
        least, greatest = int(file["images"][:].min()), int(file["images"][:].max())
    assert (least, greatest) != (0, 255)
    generator = load_generator(trainer.train(scans, tmp_path / "run", config()))
    assert generator.config.pixel_range == (least, greatest)
    loud = 9.0 * torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    drawn = generated_images(generator, loud)
    assert (drawn.min(), drawn.max()) == (least, greatest)
    shown = generated_images(generator, generator.as_shown(loud))
    np.testing.assert_array_equal(shown, drawn)


def test_range_is_left_alone_if_the_settings_say_so(tmp_path: Path, scans: Path) -> None:
    path = trainer.train(scans, tmp_path / "run", config(as_shown=False))
    generator = load_generator(path)
    assert generator.config.pixel_range is None
    loud = torch.full((1, 3, 16, 16), 1.3)
    assert generator.as_shown(loud) is loud


def test_generator_to_start_from_takes_the_range_of_the_new_scans(
    tmp_path: Path, scans: Path
) -> None:
    first = trainer.train(scans, tmp_path / "first", config(as_shown=False))
    second = trainer.train(scans, tmp_path / "second", config(init=str(first)))
    assert load_generator(second).config.pixel_range is not None


def test_generator_of_8_bits_goes_on_with_scans_of_16(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "first", config())
    deep = tmp_path / "deep.h5"
    with h5py.File(scans) as file:
        images = file["images"][:].astype(np.uint16) * 256
    batch = ScanBatch(images=images, metadata=np.zeros(len(images), table_dtype("scans")))
    write_scans(deep, iter([batch]), count=len(images), classes=[], attributes={})
    second = load_generator(trainer.train(deep, tmp_path / "second", config(init=str(first))))
    assert second.config.pixel_bits == 16
    assert second.config.pixel_range == (int(images.min()), int(images.max()))
    drawn = generated_images(second, second(torch.zeros((1, 8))))
    assert drawn.dtype == np.uint16
