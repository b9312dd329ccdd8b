"""Scans are found again in W+, and the error says how well."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import load_generator, save_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import sample_images
from xraysynth.gan.inversion import InversionConfig, invert, root_mean_square
from xraysynth.gan.sampling import generated_images
from xraysynth.scanfile import open_scans

QUICK = InversionConfig(candidates=64, steps=150, pull=0.0)
TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)


def small_generator() -> Generator:
    """Return a random generator whose mean w is known."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Generator(TINY).eval().requires_grad_(False)
    codes = torch.randn(512, TINY.z_dim, generator=torch.Generator().manual_seed(0))
    network.mapping.w_avg.copy_(network.mapping.single(codes).mean(0))
    return network


@pytest.fixture(scope="module")
def generator() -> Generator:
    return small_generator()


@pytest.fixture(scope="module")
def own_samples(generator: Generator) -> np.ndarray:
    return sample_images(generator, 99, 4)


def test_own_samples_are_found_again(generator: Generator, own_samples: np.ndarray) -> None:
    found = invert(generator, own_samples, QUICK)
    assert found.latent_w_plus.shape == (4, generator.num_ws, TINY.w_dim)
    assert (found.error < 0.25 * found.start_error).all()
    assert (found.error < 0.15 * found.mean_error).all()
    assert (found.relative_error < 0.15).all()


def test_error_is_that_of_the_codes(generator: Generator, own_samples: np.ndarray) -> None:
    found = invert(generator, own_samples, QUICK)
    with torch.no_grad():
        drawn = generator.synthesis(torch.from_numpy(found.latent_w_plus))
    pictures = generated_images(generator, drawn)
    np.testing.assert_array_equal(pictures, found.images)
    np.testing.assert_array_equal(root_mean_square(pictures, own_samples), found.error)


def test_start_is_the_nearest_sample(generator: Generator, own_samples: np.ndarray) -> None:
    few, many = (
        invert(generator, own_samples, InversionConfig(candidates=count, steps=0))
        for count in (1, 512)
    )
    np.testing.assert_array_equal(few.images, few.start_images)
    assert many.start_error.mean() < few.start_error.mean()


def test_strong_pull_keeps_the_code_near_the_mean(
    generator: Generator, own_samples: np.ndarray
) -> None:
    free, pulled = (
        invert(generator, own_samples, QUICK.model_copy(update={"pull": pull}))
        for pull in (0.0, 10.0)
    )
    mean = generator.mapping.w_avg.numpy()
    away = [np.abs(found.latent_w_plus - mean).mean() for found in (free, pulled)]
    assert away[1] < 0.5 * away[0]
    assert (pulled.error > free.error).all()


def test_same_seed_same_codes_and_global_generator_untouched(
    generator: Generator, own_samples: np.ndarray
) -> None:
    config = QUICK.model_copy(update={"steps": 5})
    before = torch.get_rng_state()
    first, again, other = (invert(generator, own_samples, config, seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert first.latent_w_plus.tobytes() == again.latent_w_plus.tobytes()
    assert first.latent_w_plus.tobytes() != other.latent_w_plus.tobytes()


def test_batches_hardly_matter(generator: Generator, own_samples: np.ndarray) -> None:
    config = QUICK.model_copy(update={"steps": 10})
    whole, parts = (
        invert(generator, own_samples, config.model_copy(update={"batch": batch}))
        for batch in (4, 3)
    )
    np.testing.assert_allclose(whole.latent_w_plus, parts.latent_w_plus, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), "8 x 8 with 3 channels"),
        (np.zeros((1, 16, 16, 1), np.uint8), "1 channels"),
        (np.zeros((1, 16, 16, 3), np.float32), "float32"),
        (np.zeros((0, 16, 16, 3), np.uint8), "at least one"),
    ],
)
def test_scans_of_another_kind_are_refused(
    generator: Generator, images: np.ndarray, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        invert(generator, images, QUICK)


def test_advice_for_scans_of_another_size_makes_that_size(generator: Generator) -> None:
    with pytest.raises(InputError, match="prepare them with --size 16, or"):
        invert(generator, np.zeros((1, 8, 8, 3), np.uint8), QUICK)
    oblong = Generator(TINY.model_copy(update={"base_grid": (2, 4)}))
    assert oblong.size_px == (8, 16)
    with pytest.raises(InputError, match="with --set width_px=16 --set height_px=8, or"):
        invert(oblong, np.zeros((1, 16, 16, 3), np.uint8), QUICK)


def test_command_writes_codes_errors_and_picture(
    generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = simulate(SimulationConfig(size_px=16), 3, 0, tmp_path / "scans.h5")
    save_generator(tmp_path / "g.safetensors", generator)
    out = tmp_path / "out"
    arguments = ["invert", str(scans), "--gan", str(tmp_path / "g.safetensors"), "--out", str(out)]
    assert main([*arguments, "--count", "2", "--set", "steps=3", "--set", "candidates=8"]) == 0
    report = json.loads((out / "errors.json").read_text())
    with np.load(out / "latents.npz") as held:
        codes = torch.from_numpy(held["latent_w_plus"])
    with torch.no_grad():
        network = load_generator(tmp_path / "g.safetensors")
        drawn = generated_images(network, network.synthesis(codes))
    with open_scans(scans) as file:
        names = [name.decode() for name in file["metadata"]["scan_id"][:2]]
        errors = root_mean_square(drawn, file["images"][:2])
    assert [row["scan_id"] for row in report["by_scan"]] == names
    assert [row["error"] for row in report["by_scan"]] == [round(float(e), 6) for e in errors]
    assert "error of the start" in capsys.readouterr().out
    assert (out / "inversion.png").is_file()
