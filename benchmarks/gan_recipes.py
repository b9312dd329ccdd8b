"""Recipes of GAN training at equal processor time, beside each other.

Every recipe trains in turn for a slice of processor time of this one process (so other work on the
machine costs nothing but patience), then is measured against scans held out of training, which
does not count. Stopped at any time, all recipes have had the same time to within a slice; started
again with the same folder it goes on. `--minutes 0` only writes the page from what is there.

python benchmarks/gan_recipes.py SCANS.h5 --out runs/recipes --minutes 5 \
    --markdown docs/results/gan-recipes.md
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from gan_recipes_page import write_page
from gan_recipes_settings import RECIPES, SEED, Recipe
from torch import nn

from xraysynth.errors import InputError
from xraysynth.evaluate.classifier import held_out
from xraysynth.evaluate.comparison import rounded
from xraysynth.evaluate.frechet import frechet_distance
from xraysynth.evaluate.histograms import divergence
from xraysynth.evaluate.picture_set import PictureSet, describe, simple_features
from xraysynth.evaluate.power_spectrum import spectrum_distance
from xraysynth.evaluate.sliced_wasserstein import sliced_wasserstein
from xraysynth.files import read_json, write_json
from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.data import ScanStream
from xraysynth.gan.efficientnet import NAME, load_feature_network
from xraysynth.gan.grids import COLUMNS, sample_images, tile, write_png
from xraysynth.gan.resume import load_state, save_state
from xraysynth.gan.state import TrainState, grow, start
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.trainer import train_step
from xraysynth.randomness import stream

SHOWN = 40


class Bench:
    """Scans, the real side of every comparison, and the folder of results."""

    def __init__(self, scans: Path, out: Path, count: int) -> None:
        self.out = out
        self.count = count
        self.stream = ScanStream(scans, SEED, mirror=True)
        total = self.stream.shape[0]
        # The last scans of the file are never trained on.
        self.stream.shape = (total - 2 * count, *self.stream.shape[1:])
        with h5py.File(scans, "r") as file:
            held_out = file["images"][total - 2 * count :]
        self.network = feature_network()
        self.real = describe(held_out[:count], self.network)
        self.other = describe(held_out[count:], self.network)

    def floor(self) -> dict[str, float]:
        """Compare two sets of held-out scans: what no recipe can beat."""
        return self._figures(self.other)

    def measure(self, state: TrainState) -> dict[str, float]:
        """Compare scans of the averaged generator with held-out ones."""
        images = enlarged(sample_images(state.average, SEED, self.count), self.stream.resolution)
        return self._figures(describe(images, self.network))

    def _figures(self, made: PictureSet) -> dict[str, float]:
        return {name: rounded(value) for name, value in figures_of(self.real, made).items()}


def feature_network() -> nn.Module | None:
    """Return the network of FD; None where the extra `metrics` is not installed."""
    try:
        return load_feature_network()
    except InputError as error:
        print(f"no FD: {error}")
        return None


def figures_of(real: PictureSet, made: PictureSet) -> dict[str, float]:
    """Return the cheap ones of `evaluate gan`'s figures; only the last looks through ImageNet."""
    slices = sliced_wasserstein(real.pictures, made.pictures, stream(SEED, "slices"))
    told = held_out(simple_features(real), simple_features(made), stream(SEED, "folds"))
    figures = {f"sliced Wasserstein {side} px": value for side, value in slices.items()}
    figures |= {
        "power spectrum (dB)": spectrum_distance(real.power, made.power),
        "colour histogram (JS, bit)": divergence(real.colour, made.colour),
        "AUC simple": told.area,
    }
    if real.pooled is not None and made.pooled is not None:
        figures[f"FD ({NAME})"] = frechet_distance(real.pooled, made.pooled)
    return figures


def enlarged(images: np.ndarray, side: int) -> np.ndarray:
    """Repeat pixels of scans drawn at a lower resolution: (n, h, w, c) -> (n, side, side, c)."""
    times = side // images.shape[1]
    return images.repeat(times, axis=1).repeat(times, axis=2)


class Course:
    """One recipe's training, cut into slices."""

    def __init__(self, recipe: Recipe, bench: Bench) -> None:
        self.recipe, self.bench = recipe, bench
        self.path = bench.out / recipe.name
        self.curve: list[dict[str, Any]] = []
        if (self.path / "curve.json").is_file():
            self.curve = read_json(self.path / "curve.json")

    @property
    def seconds(self) -> float:
        """Processor time that training has had."""
        return float(self.curve[-1]["seconds"]) if self.curve else 0.0

    def advance(self, slice_s: float) -> None:
        """Train for a slice, measure, and keep both."""
        state = self._state()
        spent = self.seconds
        begun = time.process_time() - spent
        until = spent + slice_s
        stats: dict[str, float] = {}
        while spent < until:
            due = self.recipe.resolution_at(spent, self.bench.stream.resolution)
            if due > state.resolution:
                grow(state, self.recipe.config, SEED, due)
            stats = train_step(state, self.bench.stream, self.recipe.config, SEED)
            spent = time.process_time() - begun
        entry = {
            "seconds": round(spent, 2),
            "kimg": state.images_seen / 1000,
            "resolution": state.resolution,
            "augment_p": round(state.augment_p, 4),
            **{name: rounded(value) for name, value in stats.items()},
            "figures": self.bench.measure(state),
        }
        grid = sample_images(state.average, SEED, SHOWN)
        write_png(self.path / "samples" / f"{spent:06.0f}-s.png", tile(grid, COLUMNS))
        save_state(self.path / "resume.safetensors", state, self._key(len(self.curve) + 1))
        self.curve.append(entry)
        write_json(self.path / "curve.json", self.curve)
        print(self.recipe.name, json.dumps(entry), flush=True)

    def _state(self) -> TrainState:
        config: TrainConfig = self.recipe.config
        if self.curve:
            return load_state(self.path / "resume.safetensors", config, self._key(len(self.curve)))
        first = self.recipe.resolution_at(0.0, self.bench.stream.resolution)
        return start(config, SEED, first, self.bench.stream.shape[3])

    def _key(self, slices: int) -> str:
        """Name the settings and slice that a state belongs to."""
        settings = self.recipe.config.model_dump(mode="json")
        return json.dumps([settings, slices], sort_keys=True)


def seconds_of(course: Course) -> float:
    """Return the processor time that a recipe has had."""
    return course.seconds


def curves_of(courses: list[Course]) -> dict[str, list[dict[str, Any]]]:
    """Return what was measured, by recipe."""
    return {course.recipe.name: course.curve for course in courses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path, help="a scans.h5 of 64 px, of simulate or prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder of states and figures")
    parser.add_argument("--minutes", type=float, default=5.0, help="processor time of each recipe")
    parser.add_argument("--slice-seconds", type=float, default=75.0)
    parser.add_argument("--count", type=int, default=256, help="scans on either side of a figure")
    parser.add_argument("--recipes", nargs="+", default=[], help="only these")
    parser.add_argument("--markdown", type=Path, help="page to write, its picture in ../images")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    bench = Bench(arguments.scans, arguments.out, arguments.count)
    chosen = [r for r in RECIPES if not arguments.recipes or r.name in arguments.recipes]
    courses = [Course(recipe, bench) for recipe in chosen]
    floor = bench.floor()
    while (course := min(courses, key=seconds_of)).seconds < 60 * arguments.minutes:
        course.advance(arguments.slice_seconds)
    if arguments.markdown:
        write_page(arguments.markdown, arguments.out, curves_of(courses), floor)
    last = {c.recipe.name: c.curve[-1] for c in courses if c.curve}
    print(json.dumps({"recipes": last, "real_halves": floor}))


if __name__ == "__main__":
    main()
