"""The training run: resumable at any step, ending in the same bytes however often it was cut."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from xraysynth.errors import InputError
from xraysynth.files import sha256_file
from xraysynth.gan.adapt import adapt_augmentation
from xraysynth.gan.checkpoint import save_discriminator, save_generator
from xraysynth.gan.data import ScanStream
from xraysynth.gan.grids import save_grid
from xraysynth.gan.state import TrainState, grow, load_state, save_state, start
from xraysynth.gan.steps import (
    discriminator_step,
    draw_batch,
    generator_step,
    synthesise,
    update_average,
    warm_up,
)
from xraysynth.gan.train_config import TrainConfig
from xraysynth.progress import Progress, silent

CHECKPOINT, RESUME, STATS = "checkpoint.safetensors", "resume.safetensors", "stats.jsonl"


def train(
    scans: Path, out: Path, config: TrainConfig, seed: int = 0, progress: Progress = silent
) -> Path:
    """Train a generator on a `scans.h5`; go on where an earlier run with the same settings was.

    Parameters
    ----------
    scans : the file that `prepare` or `simulate` wrote; square scans, a power of two in size
    out : folder for `checkpoint.safetensors` (averaged generator), `resume.safetensors`,
        `stats.jsonl` and `samples/*.png`

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    CheckpointError
        If `out` holds another run, or `init` does not fit the scans.
    StageError
        If the loss stops being finite.
    """
    stream = ScanStream(scans, seed, mirror=config.mirror)
    resolution = _square_power_of_two(scans, stream.shape)
    key = _run_key(scans, config, seed)
    state = _resume_or_start(out, config, seed, key, stream.shape)
    _forget_after(out / STATS, state.step)
    total = round(config.kimg * 1000)
    begun, begun_at = time.monotonic(), state.images_seen
    while state.images_seen < total:
        _grow_if_due(state, config, seed, resolution)
        stats = train_step(state, stream, config, seed)
        seconds = time.monotonic() - begun
        rate = (state.images_seen - begun_at) / max(seconds, 1e-9)
        progress(
            min(state.images_seen, total), total, f"{rate:.0f} images/s at {state.resolution} px"
        )
        if _due(state, config, total):
            _report(out, state, stats | {"images_per_second": round(rate, 1)})
            _save(out, state, key, seed)
    stream.close()
    return out / CHECKPOINT


def train_step(
    state: TrainState, stream: ScanStream, config: TrainConfig, seed: int
) -> dict[str, float]:
    """Show one batch to both networks; the generated images serve both."""
    batch = draw_batch(state, stream, config, seed)
    warm_up(state, config)
    fake = synthesise(state, batch, config)
    real_score, stats = discriminator_step(state, batch, fake, config)
    stats |= generator_step(state, batch, fake, real_score, config)
    state.images_seen += config.batch
    state.step += 1
    update_average(state, config)
    adapt_augmentation(state, stats["real_sign"], config)
    return stats


def _square_power_of_two(scans: Path, shape: tuple[int, ...]) -> int:
    """Return the size of the scans, if a generator can draw it."""
    _, height, width, _ = shape
    if height != width or height & (height - 1) or height < 8:
        raise InputError(
            f"{scans} holds scans of {height} x {width} pixels; training wants a square power of "
            "two, such as 64 or 128. Prepare or simulate them again with another size."
        )
    return height


def _run_key(scans: Path, config: TrainConfig, seed: int) -> str:
    """Name the run by all that decides its course; its length may be extended later."""
    settings = config.model_dump(mode="json", exclude={"kimg", "snapshot_kimg", "device"})
    text = json.dumps([settings, seed, sha256_file(scans), torch.get_num_threads()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _resume_or_start(
    out: Path, config: TrainConfig, seed: int, key: str, shape: tuple[int, ...]
) -> TrainState:
    """Return the saved state if there is one, else a new one at the first resolution."""
    if (out / RESUME).is_file():
        return load_state(out / RESUME, config, key)
    resolution = config.growth[0].resolution if config.growth and not config.init else shape[1]
    return start(config, seed, resolution, shape[3])


def _grow_if_due(state: TrainState, config: TrainConfig, seed: int, full: int) -> None:
    """Move on to the resolution that the growth schedule names for the images seen."""
    if config.init:
        return
    for resolution in _resolutions_due(state.images_seen, config, full):
        if resolution > state.resolution:
            grow(state, config, seed, resolution)


def _resolutions_due(images_seen: int, config: TrainConfig, full: int) -> Iterator[int]:
    """Yield the resolutions whose turn has come, coarse to fine."""
    begins = 0.0
    for step in config.growth:
        if images_seen >= begins:
            yield step.resolution
        begins += step.kimg * 1000.0
    if images_seen >= begins:
        yield full


def _due(state: TrainState, config: TrainConfig, total: int) -> bool:
    """Say whether this step ends with a checkpoint."""
    interval = max(round(config.snapshot_kimg * 1000 / config.batch), 1)
    return state.step % interval == 0 or state.images_seen >= total


def _report(out: Path, state: TrainState, stats: dict[str, Any]) -> None:
    """Append one line to `stats.jsonl`."""
    line = {
        "step": state.step,
        "kimg": round(state.images_seen / 1000, 3),
        "resolution": state.resolution,
        "augment_p": round(state.augment_p, 4),
        **{name: round(value, 5) for name, value in stats.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    with (out / STATS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


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


def _save(out: Path, state: TrainState, key: str, seed: int) -> None:
    """Write sample grid, checkpoint and, last, the state to resume from."""
    kimg = state.images_seen / 1000
    save_grid(out / "samples" / f"{kimg:09.3f}-kimg.png", state.average, seed)
    facts = {"kimg": round(kimg, 3), "augment_p": state.augment_p}
    save_generator(out / CHECKPOINT, state.average, facts)
    save_discriminator(out / CHECKPOINT, state.discriminator)
    save_state(out / RESUME, state, key)
