"""`evaluate gan` says whether clutter is there that latents say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from gan_labelled import labelled_scans, numbers
from test_gan_clutter import kinds

from xraysynth.cli.score_tables import requested_rows
from xraysynth.evaluate import clutter as judged
from xraysynth.evaluate.clutter import clutter_figures
from xraysynth.evaluate.contents_batches import ContentsClassifierConfig
from xraysynth.evaluate.gan_material import Material
from xraysynth.evaluate.kept import Kept
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator

CONFIG = ContentsClassifierConfig(scans=40, steps=40, batch=16, width=4, noise=0)
SIZES = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8,
    label_names=("gun",), clutter=kinds(("knife", 0.5)),
)  # fmt: skip


def material(path: Path, count: int = 64) -> Material:
    """Return labelled scans: lower halves are bright with a knife, which nobody asks for."""
    scans = labelled_scans(path, count=count)
    kept = Kept(None)
    return Material(held_out=scans, training=None, labelled=None, origin="", kept=kept)


@pytest.mark.parametrize("obeys", [True, False])
def test_kinds_are_looked_for_in_scans_whose_latents_say_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obeys: bool
) -> None:
    generator = Generator(SIZES)

    def drawn(_: Generator, latent_z: torch.Tensor, labels: torch.Tensor | None) -> np.ndarray:
        assert labels is not None and labels.shape == (len(latent_z), 1)
        said = (latent_z[:, 0] > 0).numpy()
        images = np.full((len(latent_z), 16, 16, 3), 30, np.uint8)
        images[said if obeys else ~said, 8:] = 230
        return images

    def obvious(_: Any, images: np.ndarray) -> np.ndarray:
        return (images[:, 12, :, 0].mean(1) > 128)[:, None] - 0.5

    monkeypatch.setattr(judged, "_drawn", drawn)
    monkeypatch.setattr(judged, "recognised", obvious)
    found = material(tmp_path / "scans.h5")
    report = clutter_figures(generator, found, 20, CONFIG, 0)
    figures = report["contents"]["knife"]
    assert figures["recognised"] == float(obeys)
    assert figures["ceiling"] is not None
    (row,) = requested_rows({"clutter": report}, "clutter")
    assert row["clutter"] == "knife"


def test_latents_say_the_kind_that_is_looked_for() -> None:
    sizes = SIZES.model_copy(update={"clutter": kinds(("knife", 0.1), ("book", 0.3))})
    generator = Generator(sizes)
    latent_z = judged._latents_with(generator, 1, 2000, 0)
    there = (latent_z[:, :2] > generator.mapping.thresholds).float().mean(dim=0)
    assert there[1] == 1.0
    assert there[0] == pytest.approx(0.1, abs=0.02)


def test_drawn_scans_are_those_of_the_generator() -> None:
    generator = Generator(SIZES).eval()
    latent_z, labels = numbers(20, 8), torch.ones(20, 1)
    images = judged._drawn(generator, latent_z, labels)
    assert images.shape == (20, 16, 16, 3)
    assert np.array_equal(images[17], judged._drawn(generator, latent_z[17:18], labels[17:18])[0])


def test_scans_that_do_not_name_clutter_give_no_figures(tmp_path: Path) -> None:
    generator = Generator(SIZES.model_copy(update={"clutter": kinds(("lamp", 0.5))}))
    assert clutter_figures(generator, material(tmp_path / "scans.h5"), 20, CONFIG, 0) == {}


def test_held_out_scans_that_say_nothing_give_no_figures(tmp_path: Path) -> None:
    found = material(tmp_path / "scans.h5")
    bare = labelled_scans(tmp_path / "bare.h5")
    with h5py.File(bare, "r+") as file:
        rows = file["metadata"][:]
        rows["labels"] = b""
        file["metadata"][:] = rows
    unsaid = replace(found, held_out=bare, labelled=found.held_out)
    assert clutter_figures(Generator(SIZES), unsaid, 20, CONFIG, 0) == {}
