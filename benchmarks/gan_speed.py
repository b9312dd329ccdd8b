"""Training speed of the GAN against a textbook form: same weights, same outputs, same schedule.

The textbook form (`gan_textbook.py`) is what the papers say in plain PyTorch: one modulated
weight a sample and a grouped convolution, zero-stuffing and FIR filtering, NCHW, float32; and
each network is taught with generated images of its own. Ours is what `train-gan` runs. In between
stand the forms that add one thing at a time. Whole steps of the published schedule are timed (path
length every 4 steps, R1 every 16) in alternation; a form's figure is the median. Prints tables and,
last, one JSON object; ends with an error where outputs or gradients differ.

python benchmarks/gan_speed.py
python benchmarks/gan_speed.py --threads 1 --clock cpu      # where other work disturbs the cores
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from gan_textbook import textbook_images, textbook_score
from torch import Tensor, nn

from xraysynth.gan import steps
from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.convolve import second_derivatives
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.distributed import ALONE, JoinedRng
from xraysynth.gan.generator import Generator
from xraysynth.gan.losses import discriminator_loss, generator_loss, gradient_penalty, path_lengths
from xraysynth.gan.state import TrainState, residual_part, start
from xraysynth.gan.train_config import TrainConfig

BATCH = {64: 16, 128: 8}
LARGEST_DIFFERENCE = 1e-4


# Forms


@dataclass(frozen=True)
class Form:
    """One way to do the same step."""

    name: str
    textbook: bool = False
    channels_last: bool = True
    shared_fakes: bool = True
    precision: str = "float32"

    def images(self, generator: Generator, latent_w: Tensor, rng: torch.Generator) -> Tensor:
        if self.textbook:
            return textbook_images(generator, latent_w, rng)
        dtype = torch.bfloat16 if self.precision == "bfloat16" else latent_w.dtype
        images: Tensor = generator.synthesis(latent_w, "random", rng=rng, dtype=dtype)
        return images

    def score(self, discriminator: Discriminator, images: Tensor, *, exact: bool = False) -> Tensor:
        if self.textbook:
            return textbook_score(discriminator, images)
        half = self.precision == "bfloat16" and not exact
        score: Tensor = discriminator(images.bfloat16() if half else images)
        return score


FORMS = (
    Form("textbook", textbook=True, channels_last=False, shared_fakes=False),
    Form("+ exact fast forms", channels_last=False, shared_fakes=False),
    Form("+ channels-last", shared_fakes=False),
    Form("+ shared fakes", shared_fakes=True),
    Form("+ bfloat16", precision="bfloat16"),
)


@contextmanager
def layout(form: Form) -> Iterator[None]:
    """Let the networks lay out their activations as the form says."""
    kept = torch.channels_last
    if not form.channels_last:
        setattr(torch, "channels_last", torch.contiguous_format)  # noqa: B010
    try:
        yield
    finally:
        setattr(torch, "channels_last", kept)  # noqa: B010


def step(form: Form, state: TrainState, config: TrainConfig) -> None:
    """Do one whole training step; `state.step` says which penalties are due."""
    rng = torch.Generator().manual_seed(state.step)
    shape = (config.batch, config.network.image_channels, *[config.network.resolution] * 2)
    real = torch.rand(shape, generator=rng) * 2 - 1
    generator, discriminator = state.generator, residual_part(state.discriminator)

    def synthesised() -> Tensor:
        single = generator.mapping.single(torch.randn(config.batch, generator.z_dim, generator=rng))
        latent_w = single[:, None].expand(-1, generator.num_ws, -1)
        batch = steps.Batch(
            real=real,
            latent_z=real,
            mixing_z=torch.randn(config.batch, generator.z_dim, generator=rng),
            rng=rng,
            noise_rng=JoinedRng(rng, ALONE),
        )
        latent_w = steps.mix_styles(generator, latent_w, batch, config.style_mixing)
        return form.images(generator, latent_w, rng)

    fake = synthesised() if form.shared_fakes else None
    if fake is None:
        teach_generator(form, state, synthesised(), config)
    with torch.no_grad():
        shown = synthesised() if fake is None else fake.detach()
    scores = form.score(discriminator, torch.cat([real, shown]))
    loss = discriminator_loss(config.loss, scores[config.batch :], scores[: config.batch])
    steps.descend(state.discriminator_optimiser, discriminator, loss)
    if state.step % config.r1_interval == 0:
        steps.descend(state.discriminator_optimiser, discriminator, slope(form, state, real))
    if fake is not None:
        teach_generator(form, state, fake, config)
    if state.step % config.path_length_interval == 0:
        steps.descend(state.generator_optimiser, generator, stretch(form, state, config, rng))
    steps.update_average(state, config)


def teach_generator(form: Form, state: TrainState, fake: Tensor, config: TrainConfig) -> None:
    state.discriminator.requires_grad_(False)
    score = form.score(residual_part(state.discriminator), fake)
    steps.descend(
        state.generator_optimiser, state.generator, generator_loss(config.loss, score, score)
    )
    state.discriminator.requires_grad_(True)


def slope(form: Form, state: TrainState, real: Tensor) -> Tensor:
    """R1, in float32 whatever the form."""
    real = real.clone().requires_grad_(True)
    with nullcontext() if form.textbook else second_derivatives():
        score = form.score(residual_part(state.discriminator), real, exact=True)
    return gradient_penalty(real, score).mean()


def stretch(form: Form, state: TrainState, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """Path length of half a batch, in float32 whatever the form."""
    generator, count = state.generator, config.batch // 2
    dtype = generator.mapping.w_avg.dtype
    latent_w = generator.mapping(torch.randn(count, generator.z_dim, generator=rng).to(dtype))
    exact = form if form.textbook else FORMS[3]
    images = exact.images(generator, latent_w, rng)
    direction = torch.randn(images.shape, generator=rng).to(dtype)
    return path_lengths(images, latent_w, direction).square().mean()


# What is compared


def differences(resolution: int, dtype: torch.dtype) -> dict[str, float]:
    """Return how far ours is from the textbook, relative to the norm: outputs and gradients."""
    config = settings(resolution)
    seen: list[dict[str, Tensor]] = []
    for form in (FORMS[0], FORMS[3]):
        state = fresh(config)
        generator = state.generator.to(dtype)
        discriminator = residual_part(state.discriminator).to(dtype)
        rng = torch.Generator().manual_seed(3)
        latent_w = generator.mapping(torch.randn(4, generator.z_dim, generator=rng).to(dtype))
        images = form.images(generator, latent_w, rng)
        score = form.score(discriminator, images)
        losses: dict[str, tuple[Tensor, nn.Module]] = {
            "generator": (generator_loss(config.loss, score, score), generator),
            "discriminator": (F.softplus(score).mean(), discriminator),
            "r1": (slope(form, state, images.detach()), discriminator),
            "path_length": (stretch(form, state, config, rng), generator),
        }
        found = {"images": images, "scores": score}
        for name, (loss, network) in losses.items():
            parameters = list(network.parameters())
            slopes = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            found[name] = torch.cat([part.flatten() for part in slopes if part is not None])
        seen.append(found)
    theirs, ours = seen
    return {
        name: ((ours[name] - theirs[name]).norm() / theirs[name].norm()).item() for name in theirs
    }


def agreement(resolution: int) -> tuple[float, float]:
    """Return the largest difference in float64 and in float32; end where they are large.

    The gradient of the path length is held to in float64 alone: it jumps where a pre-activation
    changes its sign, which rounding to float32 suffices for in either form.
    """
    exact = max(differences(resolution, torch.float64).values())
    rounded = differences(resolution, torch.float32)
    rounded.pop("path_length")
    largest = max(rounded.values())
    if exact > 1e-6 or largest > LARGEST_DIFFERENCE:
        sys.exit(
            f"at {resolution} px outputs or gradients differ: {exact:.2g} of their norm in "
            f"float64, {largest:.2g} in float32"
        )
    return exact, largest


def settings(resolution: int) -> TrainConfig:
    network = NetworkConfig(resolution=resolution, discriminator_base=1024)
    return TrainConfig(network=network, batch=BATCH[resolution], augment="none", device="cpu")


def fresh(config: TrainConfig) -> TrainState:
    """Return networks with the same weights every time, noise strengths and biases included."""
    state = start(config, 0, config.network.resolution, config.network.image_channels)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in (state.generator, state.discriminator):
            for name, parameter in network.named_parameters():
                if name.endswith(("bias", "noise_strength")):
                    parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.1)
    state.images_seen = 10_000
    return state


def timed(
    forms: list[Form], resolution: int, rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Return images a second of each form over the published schedule."""
    config = settings(resolution)
    states = [fresh(config) for _ in forms]
    plain, path, both = 1, 4, 16
    spent: dict[tuple[int, int], list[float]] = {
        (index, kind): [] for index in range(len(forms)) for kind in (plain, path, both)
    }
    for turn in range(rounds + 1):
        for kind in (plain, path, both):
            for index, form in enumerate(forms):
                states[index].step = kind
                begun = clock()
                with layout(form):
                    step(form, states[index], config)
                if turn:  # The first round warms up.
                    spent[index, kind].append(clock() - begun)
    middle = {key: statistics.median(values) for key, values in spent.items()}
    cycle = [
        12 * middle[i, plain] + 3 * middle[i, path] + middle[i, both] for i in range(len(forms))
    ]
    return [16 * config.batch / seconds for seconds in cycle]


# Running it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 128], choices=[64, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--part", help="for the processes that this program starts")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.part:
        print(json.dumps(part(arguments)))
        return
    report: dict[str, float] = {}
    for resolution in arguments.resolutions:
        report |= compare(resolution)
    report |= {"threads": arguments.threads}
    print(json.dumps(report))


def part(arguments: argparse.Namespace) -> list[float]:
    """Measure in this process: whether freed memory is kept lasts as long as the process."""
    (resolution,) = arguments.resolutions
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    if arguments.part == "given back":
        return timed(list(FORMS), resolution, arguments.rounds, clock)
    keep_freed_memory()
    if arguments.part == "kept":
        return timed([FORMS[0], FORMS[3], FORMS[4]], resolution, arguments.rounds, clock)
    (form,) = (form for form in FORMS if form.name == arguments.part)
    before = peak_mib()
    timed([form], resolution, 1, clock)
    return [peak_mib() - before]


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def measured(resolution: int, name: str) -> list[float]:
    """Return what a fresh process with the same options measures."""
    command = [sys.executable, *sys.argv, "--resolutions", str(resolution), "--part", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(resolution: int) -> dict[str, float]:
    """Check that outputs agree, measure every form, print the table."""
    exact, rounded = agreement(resolution)
    given_back = measured(resolution, "given back")
    kept_textbook, kept_float32, kept_bfloat16 = measured(resolution, "kept")
    # The two processes may have met a different load: what both measured ties them together.
    rows = dict(zip([form.name for form in FORMS], given_back, strict=True))
    rows["+ freed memory kept"] = kept_bfloat16
    (textbook_mib,), (float32_mib,), (ours_mib,) = (
        measured(resolution, FORMS[index].name) for index in (0, 3, 4)
    )
    print(f"{resolution} x {resolution}, batch {BATCH[resolution]}", end=", ")
    print(f"outputs differ by {exact:.0e} in float64, {rounded:.0e} in float32")
    for name, rate in rows.items():
        print(f"  {name:22s} {rate:8.1f} images/s  {rate / given_back[0]:6.2f} x")
    print(
        f"  freed memory kept for both: textbook {kept_textbook:.1f} images/s, "
        f"ours {kept_bfloat16 / kept_textbook:.2f} x, in float32 {kept_float32:.1f} images/s, "
        f"{kept_float32 / kept_textbook:.2f} x"
    )
    print(
        f"  peak MiB: textbook {textbook_mib:.0f}, ours {ours_mib:.0f}, float32 {float32_mib:.0f}"
    )
    figures = {
        "images_per_second_textbook": given_back[0],
        "images_per_second": kept_bfloat16,
        "speedup": kept_bfloat16 / given_back[0],
        "speedup_float32": kept_float32 / given_back[0],
        "speedup_both_keep_memory": kept_bfloat16 / kept_textbook,
        "speedup_float32_both_keep_memory": kept_float32 / kept_textbook,
        "memory_ratio": ours_mib / textbook_mib,
        "memory_ratio_float32": float32_mib / textbook_mib,
        "largest_relative_difference_float32": rounded,
        "largest_relative_difference_float64": exact,
    }
    return {f"{name}_{resolution}": value for name, value in figures.items()}


if __name__ == "__main__":
    main()
