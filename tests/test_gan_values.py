"""Pixels to values and back; dual-energy generators; scans that are no squares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import generator_hash, load_generator, save_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.data import ScanStream, base_grid
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import displayable, sample_images
from xraysynth.gan.sampling import EXPORTED_PSI, generated_images, latents
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.values import ValueMap, order_violations, to_pixels, to_values
from xraysynth.oneshot.export import ExportConfig, export
from xraysynth.oneshot.features import SiteMap, StreamedProjection, concatenated
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, save_segmenter
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.schema import table_dtype
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.verify import verify

TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)
NAMES = ("gun", "knife", "unknown")


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def settings(**changes: object) -> TrainConfig:
    small = {"kimg": 0.016, "batch": 4, "network": TINY, "snapshot_kimg": 0.008}
    return TrainConfig.model_validate(small | changes)


def write(path: Path, images: np.ndarray) -> Path:
    metadata = np.zeros(len(images), table_dtype("scans"))
    batch = ScanBatch(images=images, metadata=metadata)
    write_scans(path, iter([batch]), count=len(images), classes=[], attributes={})
    return path


def dual_scans(count: int, size_px: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return transmissions of random slabs of water: low energy is absorbed more."""
    rng = stream(seed, "slabs")
    thick = rng.uniform(0, 20, (count, size_px[0] // 4, size_px[1] // 4)).repeat(4, 1).repeat(4, 2)
    both = np.stack([np.exp(-0.25 * thick), np.exp(-0.18 * thick)], axis=-1)
    return np.rint(both * 65535).astype(np.uint16)


# The map


@pytest.mark.parametrize(
    ("transmission", "value"),
    [
        pytest.param(1.0, 1.0, id="air"),
        pytest.param(math.exp(-0.25), 0.636588, id="soft"),  # 1 - 2 ln(2) / 3.814658
        pytest.param(math.exp(-1.0), 0.156190, id="one"),  # 1 - 2 ln(5) / ln(1 + 11.0903 / 0.25)
        pytest.param(1 / 65535, -1.0, id="one-step"),
        pytest.param(0.0, -1.0, id="nothing"),
    ],
)
def test_line_integrals_by_hand(transmission: float, value: float) -> None:
    pixel = np.array(round(transmission * 65535), np.uint16).reshape(1, 1, 1, 1)
    assert to_values(pixel, "line_integral").item() == pytest.approx(value, abs=2e-5)


@pytest.mark.parametrize("value_map", ["linear", "line_integral"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_comes_back(value_map: ValueMap, dtype: type[np.unsignedinteger]) -> None:
    least = 1 if value_map == "line_integral" else 0
    pixels = np.arange(least, np.iinfo(dtype).max + 1).astype(dtype).reshape(1, -1, 1, 1)
    values = to_values(pixels, value_map)
    assert values.min() >= -1 and values.max() <= 1
    assert (values.diff(dim=2) > 0).all(), "a brighter pixel has a larger value"
    back = to_pixels(values, value_map, dtype)
    # float32 holds the logarithm of 16 bits to a step of the pixel.
    assert np.abs(back.astype(int) - pixels.astype(int)).max() <= (dtype == np.uint16)


@given(arrays(np.float32, (1, 2, 3, 4), elements=st.floats(-1, 1, width=32)))
def test_order_of_the_channels_is_kept(values: np.ndarray) -> None:
    tensor = torch.from_numpy(np.sort(values, axis=1))
    pixels = to_pixels(tensor, "line_integral", np.uint16).astype(int)
    assert (pixels[..., 0] <= pixels[..., 1]).all()
    assert order_violations(pixels.astype(np.uint16)) == 0


def test_values_outside_the_range_are_air_and_nothing() -> None:
    values = torch.tensor([-9.0, 9.0]).reshape(1, 1, 1, 2)
    assert to_pixels(values, "line_integral", np.uint16).ravel().tolist() == [1, 65535]
    assert to_pixels(values, "linear", np.uint16).ravel().tolist() == [0, 65535]


def test_coarser_scans_average_quanta_not_logarithms(tmp_path: Path) -> None:
    images = np.full((2, 16, 16, 2), 65535, np.uint16)
    images[:, ::2] = 1
    feed = ScanStream(write(tmp_path / "scans.h5", images), 0, mirror=False)
    coarse = feed.batch(0, 1, 8)
    feed.close()
    half = 1 - 2 * math.log1p(math.log(2) / 0.25) / math.log1p(math.log(65535) / 0.25)
    assert torch.allclose(coarse, torch.full((1, 2, 8, 8), half), atol=1e-4)


# Dual energy


def test_dual_energy_run_from_scans_to_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = write(tmp_path / "scans.h5", dual_scans(12, (16, 16)))
    checkpoint = trainer.train(scans, tmp_path / "run", settings())
    generator = load_generator(checkpoint)
    assert (generator.config.value_map, generator.config.pixel_bits) == ("line_integral", 16)
    images = sample_images(generator, 0, 5)
    assert images.dtype == np.uint16 and images.shape == (5, 16, 16, 2)
    stats = (tmp_path / "run" / "stats.jsonl").read_text().splitlines()[-1]
    assert '"order_violations":' in stats and '"order_violations_real": 0.0' in stats
    arguments = ["generate", "--gan", str(checkpoint), "--count", "3", "--out", str(tmp_path / "p")]
    assert main(arguments) == 0
    assert "pixels with T_low > T_high + 0.01" in capsys.readouterr().out
    assert len(list((tmp_path / "p").glob("scan-*.png"))) == 3


def test_dual_energy_is_shown_in_our_colours() -> None:
    scans = dual_scans(2, (16, 16))
    shown = displayable(scans)
    share = scans[1].astype(np.float32) / 65535
    assert np.array_equal(shown[1], pseudo_colour(share[..., 0], share[..., 1]))


def test_violations_are_a_share_of_pixels() -> None:
    scans = dual_scans(4, (16, 16))
    assert order_violations(scans) == 0
    scans[:1] = scans[:1, ..., ::-1]
    assert 0.15 < order_violations(scans) <= 0.25


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_keep_their_bits(
    tmp_path: Path, dtype: type[np.unsignedinteger], bits: int, channels: int
) -> None:
    top = np.iinfo(dtype).max
    images = stream(1, "noise").integers(0, top, (8, 16, 16, channels), dtype=dtype, endpoint=True)
    checkpoint = trainer.train(
        write(tmp_path / "s.h5", images), tmp_path / "run", settings(kimg=0.008)
    )
    generator = load_generator(checkpoint)
    assert (generator.config.value_map, generator.config.pixel_bits) == ("linear", bits)
    assert sample_images(generator, 0, 2).dtype == dtype


# No squares


@pytest.mark.parametrize(
    ("size_px", "grid", "resolution"),
    [
        ((64, 96), (4, 6), 64),
        ((96, 64), (6, 4), 64),
        ((48, 64), (6, 8), 32),
        ((128, 128), (4, 4), 128),
    ],
)
def test_base_grid_by_hand(
    size_px: tuple[int, int], grid: tuple[int, int], resolution: int
) -> None:
    assert base_grid(Path("scans.h5"), size_px) == (grid, resolution)
    assert NetworkConfig(resolution=resolution, base_grid=grid).size_px(resolution) == size_px


@pytest.mark.parametrize("size_px", [(60, 64 * 40), (63, 64), (4, 4), (22, 22)])
def test_size_that_cannot_be_doubled_to_is_named(size_px: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="times the same power of two"):
        base_grid(Path("scans.h5"), size_px)


def test_wide_run_grows_resumes_and_draws(tmp_path: Path) -> None:
    images = stream(2, "wide").integers(0, 256, (8, 16, 24, 3), dtype=np.uint8)
    scans = write(tmp_path / "scans.h5", images)
    config = settings(growth="8:0.008", augment="ada", ada_kimg=0.01)
    whole = trainer.train(scans, tmp_path / "whole", config)
    trainer.train(scans, tmp_path / "cut", config.model_copy(update={"kimg": 0.012}))
    resumed = trainer.train(scans, tmp_path / "cut", config)
    generator = load_generator(whole)
    assert generator_hash(generator) == generator_hash(load_generator(resumed))
    assert generator.size_px == (16, 24)
    assert generator(torch.zeros(2, 8)).shape == (2, 3, 16, 24)
    small = load_generator(whole.with_name("checkpoint-8.safetensors"))
    assert sample_images(small, 0, 3).shape == (3, 8, 12, 3)


def test_wide_networks_score_and_stream(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"base_grid": (4, 6)})
    generator = Generator(config)
    shapes = []
    latent_w = generator.mapping(torch.zeros(1, 8))
    image = generator.synthesis(latent_w, on_activation=lambda _, a: shapes.append(a.shape[2:]))
    assert shapes == [config.size_px(site.resolution) for site in generator.sites]
    assert Discriminator(config)(image).shape == (1, 1)
    weights = tuple(torch.randn(3, site.channels) for site in generator.sites)
    streamed = StreamedProjection(SiteMap(weights=weights, bias=torch.zeros(3)), "nearest")
    generator.synthesis(latent_w, on_activation=streamed)
    plain = torch.einsum(
        "oc,nchw->nohw", torch.cat(weights, 1), concatenated(generator, latent_w, "nearest")
    )
    torch.testing.assert_close(streamed.result(), plain, rtol=1e-4, atol=1e-4)


# Export


def exported(folder: Path, config: NetworkConfig, wanted: ExportConfig, seed: int = 3) -> Path:
    generator = Generator(config).eval()
    save_generator(folder / "generator.safetensors", generator)
    facts = SegmenterFacts(
        class_names=("background", "bag", "gun"),
        exemplar_ids=("0" * 16,),
        exemplar_origins=("Drawn by lot.",),
        generator_hash=generator_hash(generator),
    )
    weights = tuple(torch.randn(3, site.channels) for site in generator.sites)
    segmenter = Segmenter(site_map=SiteMap(weights=weights, bias=torch.zeros(3)), facts=facts)
    save_segmenter(segmenter, folder / "segmenter.safetensors")
    files = folder / "generator.safetensors", folder / "segmenter.safetensors"
    export(*files, wanted, seed, folder / "shards")
    return folder / "shards"


def test_exported_scans_tell_what_they_were_asked_for(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"label_names": NAMES, "base_grid": (4, 6)})
    shards = exported(tmp_path, config, ExportConfig(count=7, shard_size=3, batch=2, balance=True))
    report = verify(shards)
    assert report.error() is None
    requested = ShardSet(shards).table("images")["requested"].tolist()
    assert requested == ["gun", "knife"] * 3 + ["gun"]
    with h5py.File(shards / "shard-00001.h5") as file:
        image = file["images"][0]
    generator = load_generator(tmp_path / "generator.safetensors")
    labels = torch.tensor([[0.0, 1, 0]])
    latent_w = generator.mapping(latents(generator, 3, [3]), EXPORTED_PSI, labels)
    again = generated_images(generator, generator.synthesis(latent_w))
    assert np.abs(again[0].astype(int) - image).max() <= 1


def test_dual_energy_is_exported_with_16_bits(tmp_path: Path) -> None:
    config = TINY.model_copy(
        update={"image_channels": 2, "value_map": "line_integral", "pixel_bits": 16}
    )
    shards = exported(tmp_path, config, ExportConfig(count=2))
    with h5py.File(shards / "shard-00000.h5") as file:
        assert file["images"].dtype == np.uint16
        assert file["metadata"]["requested"].tolist() == [b"", b""]


def test_unlabelled_generator_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trained without labels"):
        exported(tmp_path, TINY, ExportConfig(count=2, contains=("gun",)))
