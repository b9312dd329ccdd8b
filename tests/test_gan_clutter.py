"""Clutter: contents that nobody asks for, which values of z decide."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from gan_labelled import TINY, config, labelled_scans, numbers

from xraysynth.baggage import SimulationConfig, simulate
from xraysynth.errors import InputError
from xraysynth.files import sha256_file
from xraysynth.gan import resume, trainer
from xraysynth.gan import state as training
from xraysynth.gan.checkpoint import generator_config, load_generator
from xraysynth.gan.clutter import (
    agreeing,
    choose_clutter,
    read_classes,
    read_contents,
    thresholds,
)
from xraysynth.gan.config import Clutter, ClutterKind, NetworkConfig
from xraysynth.gan.contents import LabelRows
from xraysynth.gan.data import ScanStream
from xraysynth.gan.fitting import fitted
from xraysynth.gan.generator import Generator
from xraysynth.gan.spread import spread_codes
from xraysynth.gan.steps import draw_batch
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.widen import with_clutter
from xraysynth.scanfile import open_scans


def kinds(*given: tuple[str, float]) -> Clutter:
    """Return kinds of clutter by name and share."""
    return tuple(ClutterKind(name=name, share=share, class_name=name) for name, share in given)


def pairs(clutter: Clutter) -> list[tuple[str, float]]:
    """Return names and shares."""
    return [(kind.name, kind.share) for kind in clutter]


KINDS = kinds(("book", 0.3), ("shoe", 0.05))


def naming(**changes: object) -> TrainConfig:
    """Return settings under which guns are asked for, and knives are clutter."""
    return config(**{"labels": ["gun"], "clutter_weight": 1.0, **changes})


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return labelled_scans(tmp_path / "scans.h5")


def moved(clutter: Clutter = KINDS) -> Generator:
    """Return a generator whose clutter has directions."""
    torch.manual_seed(0)
    generator = Generator(TINY.model_copy(update={"clutter": clutter}))
    with torch.no_grad():
        generator.mapping.directions.add_(torch.randn_like(generator.mapping.directions))
    return generator.requires_grad_(False)


def test_latents_agree_with_the_scans_and_stay_standard_normal() -> None:
    """Quantiles, so that neither tail nor middle hides; 20,000 draws are within 0.05 of them."""
    rng = torch.Generator().manual_seed(0)
    held = (torch.rand((20_000, 2), generator=rng) < torch.tensor([0.3, 0.05])).float()
    latents = agreeing(numbers(20_000, 8), held, KINDS, rng)
    assert torch.equal(latents[:, :2] > thresholds(KINDS), held > 0)
    levels = torch.tensor([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
    wanted = torch.special.ndtri(levels)[:, None].expand(-1, 8)
    assert torch.allclose(torch.quantile(latents, levels, dim=0), wanted, atol=0.05)
    assert torch.equal(latents[:, 2:], numbers(20_000, 8)[:, 2:])


def test_latents_are_free_where_nobody_said_what_scans_hold() -> None:
    held = torch.full((20_000, 2), torch.nan)
    latents = agreeing(numbers(20_000, 8), held, KINDS, torch.Generator().manual_seed(0))
    shares = (latents[:, :2] > thresholds(KINDS)).float().mean(dim=0)
    assert torch.allclose(shares, torch.tensor([0.3, 0.05]), atol=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_without_quantile_give_finite_latents(share: float) -> None:
    held = torch.full((1000, 1), share)
    clutter = kinds(("book", share))
    latents = agreeing(numbers(1000, 8), held, clutter, torch.Generator().manual_seed(0))
    assert latents.isfinite().all()
    assert ((latents[:, :1] > thresholds(clutter)).float() == share).all()


def test_a_value_of_z_decides_on_its_kind_alone() -> None:
    mapping = moved().mapping
    below, above = numbers(1, 8), numbers(1, 8)
    below[0, 0], above[0, 0] = -1.0, 1.0
    plain = NetworkConfig.model_validate({**TINY.model_dump(), "clutter": ()})
    without = Generator(plain).mapping
    without.load_state_dict({k: v for k, v in mapping.state_dict().items() if k != "directions"})
    difference = mapping.single(above) - mapping.single(below)
    difference -= without.single(above) - without.single(below)
    assert torch.allclose(difference[0], 6.0 * mapping.directions[0], atol=1e-5)


def test_new_kinds_change_nothing_and_known_ones_stay() -> None:
    generator = moved()
    more = with_clutter(generator, (*KINDS, *kinds(("can", 0.1))))
    latent_z = numbers(4, 8)
    assert torch.equal(more(latent_z), generator(latent_z))
    assert more.mapping.directions[2].abs().max() == 0


def test_spread_scales_what_clutter_adds() -> None:
    generator, latent_z = moved(), numbers(4, 8)
    before = generator.synthesis(generator.mapping(latent_z, 1.5))
    spread_codes(generator, 1.5)
    after = generator.synthesis(generator.mapping(latent_z))
    assert torch.allclose(before, after, atol=1e-4)


def test_simulated_scans_hold_their_items_and_each_view_its_own(tmp_path: Path) -> None:
    settings = SimulationConfig(size_px=32, views=2, clutter=(2, 4))
    path = simulate(settings, 6, 0, tmp_path / "scans.h5")
    rows = read_contents(path)
    with open_scans(path) as file:
        scans, items = file["metadata"][:], file["items"][:]
    for row, scan in zip(rows, scans, strict=True):
        there = items[(items["scan_id"] == scan["scan_id"]) & (items["view_id"] == scan["view_id"])]
        assert row == frozenset(name.decode() for name in there["name"][there["area_px"] > 0])
    assert any(len(row or ()) > 1 for row in rows)


def test_kinds_know_the_class_of_their_pixels(tmp_path: Path) -> None:
    settings = SimulationConfig(size_px=32, clutter=(3, 4), clutter_kinds=("bottle", "can", "book"))
    path = simulate(settings, 12, 0, tmp_path / "scans.h5")
    classes = read_classes(path)
    assert (classes["bottle"], classes["can"], classes["book"]) == ("liquid", "liquid", "organic")
    found = choose_clutter(read_contents(path), [], classes=classes)
    assert {kind.name: kind.class_name for kind in found}["bottle"] == "liquid"
    assert read_classes(labelled_scans(tmp_path / "labels.h5")) == {}


def test_kinds_are_the_commonest_and_neither_rare_nor_everywhere() -> None:
    rows: LabelRows = [
        frozenset({"tray", *["can"][n % 2 :], *(["shoe"] * (n < 30)), *(["key"] * (n == 0))})
        for n in range(200)
    ]
    assert pairs(choose_clutter(rows, [])) == [("can", 0.5), ("shoe", 0.15)]
    assert pairs(choose_clutter(rows, [], most=1)) == [("can", 0.5)]
    known = kinds(("shoe", 0.4), ("lamp", 0.2))
    wanted = [("shoe", 0.15), ("lamp", 0.0), ("can", 0.5)]
    assert pairs(choose_clutter(rows, [], known)) == wanted


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_what_is_told_of_a_generated_scan_is_what_one_real_scan_holds(
    tmp_path: Path, loss: str
) -> None:
    """Guns are asked for, knives are clutter, and each scan of this file holds both or neither."""
    path = labelled_scans(tmp_path / "scans.h5", count=64)
    with h5py.File(path, "r+") as file:
        rows = file["metadata"][:]
        rows["labels"][::2], rows["labels"][1::2] = b'["gun", "knife"]', b"[]"
        file["metadata"][:] = rows
    settings = fitted(path, naming(loss=loss, label_drop=0, batch=32))
    feed = ScanStream(
        path,
        0,
        mirror=False,
        label_names=settings.network.label_names,
        clutter=settings.network.clutter,
    )
    batch = draw_batch(training.start(settings, 0, 16, 3), feed, settings, 0)
    feed.close()
    assert batch.drawn_labels is not None and batch.clutter is not None
    assert torch.equal(batch.drawn_labels[:, 0], batch.clutter[:, 0])


@pytest.mark.parametrize("steps_before_cut", [1, 3])
def test_interrupted_run_ends_in_the_same_bytes(
    tmp_path: Path, scans: Path, steps_before_cut: int
) -> None:
    settings = naming(growth="8:0.02:8", loss="relativistic", contents_weight=0.5)
    whole = trainer.train(scans, tmp_path / "whole", settings, seed=3)
    left = iter(range(steps_before_cut))

    def cut(*_: object) -> None:
        next(left)

    with pytest.raises(StopIteration):
        trainer.train(scans, tmp_path / "cut", settings, 3, progress=cut)
    resumed = trainer.train(scans, tmp_path / "cut", settings, seed=3)
    for name in ("checkpoint", "checkpoint-8", "checkpoint-discriminator", "resume"):
        files = [run.with_name(f"{name}.safetensors") for run in (whole, resumed)]
        assert sha256_file(files[0]) == sha256_file(files[1]), name
    assert load_generator(whole).config.clutter == kinds(("knife", 0.5))


@pytest.mark.parametrize("labels", [["gun"], "none"])
def test_generator_draws_what_its_latent_says(tmp_path: Path, labels: object) -> None:
    """Knives are never asked for; the lower half is bright where their value of z says so, and the
    discriminator knows it."""
    path = labelled_scans(tmp_path / "scans.h5", size_px=8, count=64)
    settings = naming(
        labels=labels,
        kimg=3,
        batch=16,
        snapshot_kimg=3,
        loss="relativistic",
        penalise_fakes=True,
        augment="none",
        path_length_weight=0,
        mirror=False,
        learning_rate=0.004,
        ema_kimg=0.5,
        r1_strength=0.02,
        network=TINY.model_copy(update={"resolution": 8}),
    )
    generator = load_generator(trainer.train(path, tmp_path / "run", settings))
    place = [kind.name for kind in generator.config.clutter].index("knife")
    latent_z = numbers(64, 8)
    lower = generator(latent_z)[:, :, 4:].mean((1, 2, 3)) > 0
    said = latent_z[:, place] > generator.mapping.thresholds[place]
    assert (lower == said).float().mean() >= 0.8
    key = trainer._run_key(path, settings, 0)
    state = resume.load_state(tmp_path / "run" / trainer.RESUME, settings, key)
    source = ScanStream(path, 1, mirror=False, clutter=generator.config.clutter)
    held, named = source.clutter(0, 32), state.discriminator.judge(source.batch(0, 32, 8)).named
    assert held is not None and named is not None
    column = len(generator.config.contents) + place
    assert ((named[:, column] > 0) == (held[:, place] > 0)).float().mean() > 0.9


def test_trained_generator_learns_clutter_and_keeps_it(tmp_path: Path, scans: Path) -> None:
    plain = trainer.train(scans, tmp_path / "plain", config(labels=["gun"], kimg=0.008))
    assert generator_config(plain).clutter == ()
    more = trainer.train(scans, tmp_path / "more", naming(kimg=0.008, init=str(plain)))
    assert generator_config(more).clutter == kinds(("knife", 0.5))
    still = naming(kimg=0.008, init=str(more), clutter_weight=0.0)
    last = trainer.train(scans, tmp_path / "last", still)
    assert generator_config(last).clutter == kinds(("knife", 0.5))
    state = training.start(fitted(scans, naming(init=str(more))), 0, 16, 3)
    assert state.note == ""  # Its discriminator came along.


def test_discriminator_keeps_its_judgement_with_and_without_clutter(
    tmp_path: Path, scans: Path
) -> None:
    """Columns of clutter come and go; of clutter at its share nobody is told anything."""
    images, asked = numbers(4, 3, 16, 16), torch.eye(2).repeat(2, 1)
    given = trainer.train(scans, tmp_path / "plain", config(labels=["gun"], kimg=0.064))
    told = torch.cat([asked, torch.zeros(4, 1)], dim=1)
    scores = []
    for weight, what in ((0.0, asked), (1.0, told), (0.0, asked)):
        settings = naming(init=str(given), clutter_weight=weight, kimg=0.004)
        state = training.start(fitted(scans, settings), 0, 16, 3)
        scores.append(state.discriminator(images, what))
        given = tmp_path / f"{len(scores)}.safetensors"
        trainer._save_networks(given, state)
    assert torch.allclose(scores[0], scores[1], atol=1e-5)
    assert torch.allclose(scores[0], scores[2], atol=1e-5)


def test_scans_that_name_no_clutter_are_refused_with_what_to_do(tmp_path: Path) -> None:
    bare = labelled_scans(tmp_path / "bare.h5", label='["gun"]')
    with pytest.raises(InputError, match=r"bare\.h5 names no contents besides.*clutter_weight: 0"):
        trainer.train(bare, tmp_path / "run", naming())


@pytest.mark.parametrize(
    "clutter, complaint",
    [
        (kinds(*[("book", 0.1)] * 2), "each once"),
        (kinds(*[(f"kind{n}", 0.1) for n in range(9)]), "at most 8 kinds"),
        ([{"name": "book", "share": 1.5, "class_name": "organic"}], "less than or equal to 1"),
    ],
)
def test_impossible_clutter_in_a_file_is_refused(clutter: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        NetworkConfig.model_validate({"z_dim": 8, "clutter": clutter})
