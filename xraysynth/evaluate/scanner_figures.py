"""Pictures beside the figures: real | simulated scans, and histograms with spectra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xraysynth.evaluate.picture_set import PictureSet
from xraysynth.evaluate.power_spectrum import decibels
from xraysynth.files import whole_file
from xraysynth.randomness import stream

GRID = 4
GAP_PX = 3
DPI = 120
REAL, OTHER, MADE = "#1b6ca8", "#8fbcd9", "#d1495b"
CHANNEL_NAMES = {1: ["grey"], 3: ["red", "green", "blue"]}


def write_grid(path: Path, real: PictureSet, made: PictureSet, seed: int) -> None:
    """Write 4x4 real views beside 4x4 simulated ones, a seeded choice, not a selection."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    for place, (title, chosen) in enumerate((("real", real), ("simulated", made))):
        rng = stream(seed, "grid", title)
        indices = np.sort(rng.permutation(len(chosen))[: GRID**2])
        axes = figure.add_subplot(1, 2, place + 1)
        axes.imshow(_tiled(chosen.pictures[indices]), interpolation="nearest")
        axes.set_title(f"{title}: {len(indices)} of {len(chosen)} scans, drawn at random")
        axes.set_axis_off()
    _save(figure, path)


def _tiled(pictures: np.ndarray) -> np.ndarray:
    """Return up to 16 pictures as one, on white."""
    side, channels = pictures.shape[1], pictures.shape[3]
    step = side + GAP_PX
    sheet = np.full((GRID * step - GAP_PX, GRID * step - GAP_PX, channels), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (number // GRID) * step, (number % GRID) * step
        sheet[top : top + side, left : left + side] = picture
    return np.repeat(sheet, 3, axis=2) if channels == 1 else sheet


def write_curves(path: Path, real: PictureSet, made: PictureSet, seed: int) -> None:
    """Write histograms of channels and tones, and spectra; both real halves show the spread."""
    dealt = stream(seed, "curves").permutation(len(real))
    middle = len(real) // 2
    sets = [(real[dealt[:middle]], "real, one half", REAL)]
    sets += [(real[dealt[middle:]], "real, other half", OTHER), (made, "simulated", MADE)]
    names = CHANNEL_NAMES[real.pictures.shape[3]]
    figure = Figure(figsize=(14, 8), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for channel, name in enumerate(names):
        _channel_panel(panels[channel], sets, channel, name)
    for unused in panels[len(names) : 3]:
        unused.set_axis_off()
    _tone_panel(panels[3], sets)
    _spectrum_panel(panels[4], sets)
    _difference_panel(panels[5], sets)
    panels[0].legend()
    _save(figure, path)


Curves = Sequence[tuple[PictureSet, str, str]]


def _channel_panel(axes: Axes, sets: Curves, channel: int, name: str) -> None:
    """Draw the share of pixels by value of one channel."""
    for chosen, label, colour in sets:
        values = chosen.pictures[..., channel]
        shares = np.bincount(values.ravel() // 4, minlength=64) / values.size
        axes.step(np.arange(64) * 4, shares, where="mid", label=label, color=colour)
    _label(axes, f"{name}", "value", "share of pixels")


def _tone_panel(axes: Axes, sets: Curves) -> None:
    """Draw the share of pixels by apparent transmission."""
    for chosen, _, colour in sets:
        shares = chosen.tone.mean(0)
        centres = (np.arange(len(shares)) + 0.5) / len(shares)
        axes.step(centres, shares, where="mid", color=colour)
    _label(axes, "apparent transmission", "brightness against air", "share of pixels")


def _spectrum_panel(axes: Axes, sets: Curves) -> None:
    """Draw the mean log power by frequency."""
    for chosen, _, colour in sets:
        power = decibels(chosen.power).mean(0)
        axes.plot(np.arange(1, len(power) + 1), power, color=colour)
    axes.set_xscale("log")
    _label(axes, "radial power spectrum", "cycles a view", "mean power (dB of full scale²)")


def _difference_panel(axes: Axes, sets: Curves) -> None:
    """Draw what separates each curve from the first half."""
    yardstick = decibels(sets[0][0].power).mean(0)
    for chosen, _, colour in sets[1:]:
        difference = decibels(chosen.power).mean(0) - yardstick
        axes.plot(np.arange(1, len(difference) + 1), difference, color=colour)
    axes.axhline(0, color=sets[0][2], linewidth=0.8)
    axes.set_xscale("log")
    _label(axes, "spectrum against one real half", "cycles a view", "difference (dB)")


def _label(axes: Axes, title: str, across: str, up: str) -> None:
    """Name a panel and its axes."""
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    if up == "share of pixels":
        axes.set_yscale("log")


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG whole or not at all; no date goes in, so the same figure has the same bytes."""
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI, metadata={"Software": None})
