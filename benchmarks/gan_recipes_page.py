"""The page of `gan_recipes.py`: table, curves and samples, with the budget said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gan_recipes_settings import GROWTH, RECIPES
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from xraysynth.files import whole_file

Curves = Mapping[str, Sequence[Mapping[str, Any]]]

FD = "FD (EfficientNet-Lite0)"
PANELS = ("power spectrum", "colour histogram", "FD")
SAMPLES_SHOWN = 10
ROW_PX = 660
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(curves: Curves, floor: Mapping[str, float]) -> str:
    """Return the last figures of every recipe as a Markdown table, real scans last."""
    lines = [
        "| recipe | CPU s | thousand images | " + " | ".join(floor) + " |",
        "|---" * (3 + len(floor)) + "|",
    ]
    for recipe in RECIPES:
        if curve := curves.get(recipe.name):
            last = curve[-1]
            numbers = [f"{last['seconds']:.0f}", f"{last['kimg']:.1f}"]
            lines.append(_row(recipe.name, numbers, last["figures"], floor))
    lines.append(_row("other real scans", ["", ""], floor, floor))
    return "\n".join(lines)


def _row(
    name: str, numbers: Sequence[str], figures: Mapping[str, float], columns: Iterable[str]
) -> str:
    """Return one line of the table."""
    cells = [f"{figures[key]:.3g}" for key in columns]
    return "| " + " | ".join([name, *numbers, *cells]) + " |"


def draw_curves(path: Path, curves: Curves, floor: Mapping[str, float]) -> None:
    """Draw figures over processor time, one panel each, as PNG; grey is the figure of real scans.

    The first figure is the finest patches'; four that differ in kind are enough.
    """
    shown = [next(iter(floor)), *(name for name in floor if name.startswith(PANELS))]
    figure = Figure(figsize=(13, 8.5), layout="constrained")
    for panel, name in zip(figure.subplots(2, 2).ravel(), shown, strict=False):
        for number, (recipe, curve) in enumerate(curves.items()):
            seconds = [entry["seconds"] for entry in curve]
            values = [entry["figures"][name] for entry in curve]
            panel.plot(seconds, values, color=f"C{number}", marker="o", label=recipe)
        panel.axhline(floor[name], color="grey", linewidth=1)
        panel.set_yscale("log")
        panel.set_title(name + (", sees through ImageNet" if name == FD else ""))
        panel.set_xlabel("processor time of training, s")
        panel.grid(alpha=0.3, which="both")
    figure.axes[0].legend(fontsize=9)
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=90, metadata={"Software": None})


def draw_samples(path: Path, folders: Sequence[Path]) -> None:
    """Put the first row of every recipe's last sample grid under each other, as PNG."""
    rows = []
    for folder in folders:
        grid = Image.open(sorted(folder.glob("samples/*.png"))[-1]).convert("RGB")
        cell = grid.width // SAMPLES_SHOWN
        row = grid.crop((0, 0, grid.width, cell))
        # Lower resolutions are enlarged to the same width.
        size = (ROW_PX, ROW_PX // SAMPLES_SHOWN)
        rows.append(np.asarray(row.resize(size, Image.Resampling.NEAREST)))
    with whole_file(path) as partial:
        Image.fromarray(np.concatenate(rows)).save(partial, format="PNG")


def write_page(path: Path, out: Path, curves: Curves, floor: Mapping[str, float]) -> None:
    """Write the table between the marks of the page, which keeps what else stands there.

    Pictures go to the folder `images` beside that of the page. Recipes that have not begun are
    left out.
    """
    begun = {name: curve for name, curve in curves.items() if curve}
    if not begun:
        return
    images = path.parent.parent / "images"
    draw_curves(images / "gan-recipes.png", begun, floor)
    draw_samples(images / "gan-recipes-samples.png", [out / name for name in begun])
    write_between(path, f"{table(begun, floor)}\n\n{_explained(begun)}")


def write_between(path: Path, measured: str) -> None:
    """Put text between the marks of a page; a page that is not there becomes just that."""
    text = path.read_text(encoding="utf-8") if path.is_file() else f"{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    with whole_file(path) as partial:
        partial.write_text(f"{head}{BEGIN}\n{measured}\n{END}{tail}", encoding="utf-8")


def _explained(curves: Curves) -> str:
    """Return what each recipe is, in the order of the rows of samples."""
    stages = ", ".join(f"{size} px to {end:.0f} s" for size, end in GROWTH)
    lines = [f"- **{r.name}**: {r.what}" for r in RECIPES if r.name in curves]
    return "\n".join([f"Grown recipes: {stages} of processor time, then 64 px.", "", *lines])
