"""What a run leaves to read: lines of `stats.jsonl`, and TensorBoard where it is asked for."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.errors import InputError
from xraysynth.gan.distributed import is_first
from xraysynth.gan.grids import COLUMNS, displayable, grid_images, tile, write_png
from xraysynth.gan.state import TrainState

STATS, BOARD, SAMPLES = "stats.jsonl", "tensorboard", "samples"


class Report:
    """Statistics and sample grids of one run, in its folder."""

    def __init__(self, out: Path, step: int, *, tensorboard: bool) -> None:
        """Go on after `step`: later lines are of a killed run and will come again."""
        self._out = out
        self._writes = is_first()
        self._board = _open_board(out / BOARD, step) if tensorboard and self._writes else None
        if self._writes:
            _forget_after(out / STATS, step)

    def write(self, state: TrainState, stats: dict[str, float], seed: int) -> None:
        """Append a line, and draw the grid of fixed latents; the first process alone does."""
        if not self._writes:
            return
        line = {
            "step": state.step,
            "kimg": round(state.images_seen / 1000, 3),
            "resolution": state.resolution,
            "augment_p": round(state.augment_p, 4),
            **{name: round(value, 5) for name, value in stats.items()},
        }
        self._out.mkdir(parents=True, exist_ok=True)
        with (self._out / STATS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        grid = tile(displayable(grid_images(state.average, seed)), COLUMNS)
        write_png(self._out / SAMPLES / f"{state.images_seen / 1000:09.3f}-kimg.png", grid)
        self._show(state, line, grid)

    def close(self) -> None:
        """Close what is open."""
        if self._board is not None:
            self._board.close()

    def _show(self, state: TrainState, line: dict[str, Any], grid: np.ndarray) -> None:
        """Show the same on TensorBoard; its axis is the step."""
        if self._board is None:
            return
        for name, value in line.items():
            if name not in ("step", "kimg"):
                self._board.add_scalar(name, value, state.step)
        self._board.add_image("samples", grid, state.step, dataformats="HWC")
        self._board.flush()


def _open_board(folder: Path, step: int) -> Any:
    """Return a TensorBoard writer that drops what came after `step`."""
    try:
        board = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise InputError(
            "tensorboard is true, and TensorBoard is not installed; "
            "pip install 'xraysynth[tensorboard]', or set it to false."
        ) from error
    return board.SummaryWriter(str(folder), purge_step=step + 1)


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines that a killed run wrote after the state that it left."""
    if not path.is_file():
        return
    kept = [
        line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step
    ]
    path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _step_of(line: str) -> float:
    """Return the step of a line; one that was cut short counts as never."""
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")
