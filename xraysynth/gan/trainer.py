"""The training run: resumable at any step, ending in the same bytes however often it was cut."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import torch

from xraysynth.files import sha256_file
from xraysynth.gan import distributed
from xraysynth.gan.adapt import adapt_augmentation
from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.checkpoint import save_discriminator, save_generator
from xraysynth.gan.data import ScanStream
from xraysynth.gan.fitting import begun, check_schedule, fitted, resumed
from xraysynth.gan.health import check_variety, measure_health
from xraysynth.gan.pace import Pace
from xraysynth.gan.precision import compute_dtype, torch_device
from xraysynth.gan.report import Report
from xraysynth.gan.resume import load_state, save_state
from xraysynth.gan.state import TrainState, grow, residual_part
from xraysynth.gan.steps import (
    discriminator_step,
    draw_batch,
    generator_step,
    synthesise,
    update_average,
    warm_up,
)
from xraysynth.gan.stopping import stop_between_steps
from xraysynth.gan.train_config import TrainConfig
from xraysynth.progress import Progress, silent

CHECKPOINT, RESUME = "checkpoint.safetensors", "resume.safetensors"


def train(
    scans: Path, out: Path, config: TrainConfig, seed: int = 0, progress: Progress = silent
) -> Path:
    """Train a generator on a `scans.h5`; go on where an earlier run with the same settings was.

    Parameters
    ----------
    scans : the file that `prepare` or `simulate` wrote; sizes as `data.base_grid` has them
    out : folder for `checkpoint.safetensors` (averaged generator), `resume.safetensors`,
        `stats.jsonl`, `samples/*.png`, and `checkpoint-RESOLUTION.safetensors` of every lower
        resolution that `growth` names

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    CheckpointError
        If `out` holds another run, or `init` does not fit the scans.
    StageError
        If a loss or weight stops being finite, or all generated scans become alike.
    KeyboardInterrupt
        If the process was asked to end, by Ctrl+C or SIGTERM: after the step, and saved. Of several
        processes none knows at which step the others are; they end at once.
    """
    keep_freed_memory()
    key = _run_key(scans, config, seed)
    state = _saved(out, config, key)
    config = resumed(config, state) if state else fitted(scans, config)
    stream = ScanStream(
        scans,
        seed,
        mirror=config.mirror,
        label_names=config.network.label_names,
        clutter=config.network.clutter if config.clutter_weight else (),
        read=config.labels != "none",
    )
    check_schedule(config, stream.resolution)
    state = state or begun(config, stream, seed)
    distributed.broadcast([state.generator, state.discriminator, state.average])
    report = Report(out, state.step, tensorboard=config.tensorboard)
    total = round(config.kimg * 1000)
    pace = Pace(state.images_seen)
    with (
        closing(stream),
        closing(report),
        stop_between_steps(possible=distributed.processes() == 1) as asked_to_stop,
    ):
        while state.images_seen < total:
            if (due := _resolution_due(state, config, stream.resolution)) > state.resolution:
                _finish_stage(out, state)
                grow(state, config, seed, due)
                pace.restart()
            stats = train_step(state, stream, config.at(state.resolution), seed)
            stats["images_per_second"] = pace.after(state.images_seen)
            progress(min(state.images_seen, total), total, _note(state, pace, total))
            if _due(state, config.at(state.resolution), total):
                stats |= measure_health(state, stream, seed)
                report.write(state, stats, seed)
                if check_variety(state, stats["diversity"], config) or state.images_seen >= total:
                    _save(out, state, key)
            if asked_to_stop() and state.images_seen < total:
                _save(out, state, key)
                raise KeyboardInterrupt
    return out / CHECKPOINT


def _note(state: TrainState, pace: Pace, total: int) -> str:
    """Return speed, time left and what else a user should know, as a short text."""
    speed = f"{pace.images_per_second:.0f} images/s at {state.resolution} px"
    return ", ".join(part for part in (speed, pace.left(total), state.note) if part)


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


_FREE = {"kimg", "snapshot_kimg", "device", "tensorboard", "least_diversity"}
"""Settings that may differ when a run goes on: they do not change the weights at a step."""


def _run_key(scans: Path, config: TrainConfig, seed: int) -> str:
    """Return, as JSON, all that decides the course of a run; its length may be extended later."""
    facts = config.model_dump(mode="json", exclude=_FREE)
    device = torch_device(config.device)
    # "auto" may mean something else on the machine that resumes.
    facts["precision"] = str(compute_dtype(config.precision, device))
    facts |= {"seed": seed, "hash of the scans": sha256_file(scans)[:16]}
    # Threads and processes share out sums, and with them rounding.
    facts["threads"] = torch.get_num_threads() if device.type == "cpu" else 0
    facts["processes"] = distributed.processes()
    return json.dumps(facts, sort_keys=True)


def _saved(out: Path, config: TrainConfig, key: str) -> TrainState | None:
    """Return the state that an earlier run saved, if there is one."""
    if not (out / RESUME).is_file():
        return None
    state = load_state(out / RESUME, config, key)
    if not (out / CHECKPOINT).is_file():  # A run that is finished would write it never again.
        _save_networks(out / CHECKPOINT, state)
    return state


def _resolution_due(state: TrainState, config: TrainConfig, full: int) -> int:
    """Return the resolution that the growth schedule names for the images seen."""
    begins = 0.0
    for step in config.growth:
        begins += step.kimg * 1000.0
        if state.images_seen < begins:
            return step.resolution
    return full


def _finish_stage(out: Path, state: TrainState) -> None:
    """Keep the generator of a resolution that is done, usable as it is."""
    path = out / CHECKPOINT
    _save_networks(path.with_stem(f"{path.stem}-{state.resolution}"), state)


def _due(state: TrainState, config: TrainConfig, total: int) -> bool:
    """Say whether this step ends with a checkpoint."""
    interval = max(config.snapshot_kimg * 1000, config.batch)
    before = state.images_seen - config.batch
    return state.images_seen // interval > before // interval or state.images_seen >= total


def _save(out: Path, state: TrainState, key: str) -> None:
    """Write the checkpoint and, last, the state to resume from."""
    _save_networks(out / CHECKPOINT, state)
    if distributed.is_first():
        save_state(out / RESUME, state, key)


def _save_networks(path: Path, state: TrainState) -> None:
    """Write the averaged generator and, for fine-tuning, the discriminator beside it."""
    if not distributed.is_first():
        return
    facts = {"kimg": round(state.images_seen / 1000, 3), "augment_p": state.augment_p}
    save_generator(path, state.average, facts)
    save_discriminator(path, residual_part(state.discriminator))
