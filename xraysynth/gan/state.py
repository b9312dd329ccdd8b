"""Everything that a training run carries from step to step, and its way to disk and back.

Chance is not in here: every step asks for its own random stream, so the number of
images seen is all that a resumed run needs to know of it.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from xraysynth.errors import CheckpointError, InputError
from xraysynth.gan.checkpoint import discriminator_path, load_discriminator, load_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import NAMING_LAYER, TOLD, Discriminator
from xraysynth.gan.frozen_features import N_POOLED
from xraysynth.gan.generator import Generator
from xraysynth.gan.moments import Moments, new_moments
from xraysynth.gan.precision import torch_device
from xraysynth.gan.projected import JointDiscriminator
from xraysynth.gan.spread import spread_codes
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.widen import widened, with_clutter
from xraysynth.randomness import stream_seed

_NEW_SKIP = 0.1
Judge = Discriminator | JointDiscriminator


@dataclass
class TrainState:
    """Networks, optimisers and counters of a run."""

    generator: Generator
    discriminator: Judge
    average: Generator
    """Exponential moving average of the generator: the one that is kept."""
    moments: Moments
    """Running moments of real and generated scans at the present resolution."""
    generator_optimiser: torch.optim.Adam
    discriminator_optimiser: torch.optim.Adam
    images_seen: int = 0
    step: int = 0
    grown_at: int = 0
    """Images seen when the present resolution began."""
    kept: int = 0
    """Resolution up to which the generator stays as `init` brought it; 0 where all of it learns."""
    augment_p: float = 0.0
    path_mean: float = 0.0
    sign_sum: float = 0.0
    """Signs of real scores since p was last moved."""
    note: str = ""
    """What a user should know of how the run begins."""
    dull_snapshots: int = 0
    """Snapshots in a row whose scans hardly varied."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.average.mapping.w_avg.device

    @property
    def resolution(self) -> int:
        """Height and width at present, in pixels."""
        return self.generator.resolution


def start(config: TrainConfig, seed: int, resolution: int, image_channels: int) -> TrainState:
    """Return the state before the first step, from random weights or a trained generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "weights"))
        if config.init:
            generator = _initial(config, resolution, image_channels)
            names = ("names_contents", "pixel_bits", "pixel_range")
            given = {name: getattr(config.network, name) for name in names}
            generator.config = generator.config.model_copy(update=given)
        else:
            sizes = {"resolution": resolution, "image_channels": image_channels}
            generator = Generator(config.network.model_copy(update=sizes))
        discriminator = new_discriminator(config, generator.config)
    learned = bool(config.init) and _load_partner(config, residual_part(discriminator))
    if config.freeze_discriminator > len(discriminator.halvings):
        raise InputError(
            f"freeze_discriminator is {config.freeze_discriminator}, and at {resolution} px the "
            f"discriminator has {len(discriminator.halvings)} such blocks; set that at most."
        )
    if config.freeze_discriminator and not learned:
        raise CheckpointError(
            f"no discriminator that was trained with {config.init} lies beside it, or it does not "
            "fit, so nothing is worth freezing; set `freeze_discriminator: 0`."
        )
    kept = generator.resolution if config.freeze_generator else 0
    state = assemble(config, generator, discriminator, kept)
    if config.init and not learned and discriminator_path(config.init) is not None:
        state.note = f"the discriminator beside {config.init} does not fit; a new one learns"
    return state


def new_discriminator(config: TrainConfig, sizes: NetworkConfig) -> Judge:
    """Return a discriminator of the kind that the settings name, with random weights.

    Of clutter it knows only where that counts: else nobody tells it.
    """
    if not config.clutter_weight:
        sizes = sizes.model_copy(update={"clutter": ()})
    if config.discriminator == "joint":
        return JointDiscriminator(sizes, config.projected)
    return Discriminator(sizes)


def residual_part(discriminator: Judge) -> Discriminator:
    """Return the discriminator that learns from pixels: what later runs start from."""
    if isinstance(discriminator, JointDiscriminator):
        return discriminator.residual
    return discriminator


def grow(state: TrainState, config: TrainConfig, seed: int, resolution: int) -> None:
    """Carry the weights into networks of a higher resolution; optimisers start anew.

    Output skips and residual blocks make fading unnecessary; the new image skip starts small.
    """
    sizes = state.generator.config.model_copy(update={"resolution": resolution})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "grow", resolution))
        generator, discriminator = Generator(sizes), new_discriminator(config, sizes)
    average = copy.deepcopy(generator)
    _carry(state.generator, generator)
    _carry(state.average, average)
    _carry(state.discriminator, discriminator)
    new_skip = generator.synthesis.block(resolution).torgb
    with torch.no_grad():
        new_skip.weight.mul_(_NEW_SKIP)
    average.synthesis.block(resolution).load_state_dict(
        generator.synthesis.block(resolution).state_dict()
    )
    grown = assemble(config, generator, discriminator, state.kept)
    state.generator, state.discriminator = grown.generator, grown.discriminator
    state.moments = grown.moments
    state.average = average.eval().requires_grad_(False).to(grown.device)
    state.generator_optimiser = grown.generator_optimiser
    state.discriminator_optimiser = grown.discriminator_optimiser
    state.grown_at = state.images_seen


def let_learn(state: TrainState, config: TrainConfig) -> None:
    """Let the discriminator's weights take gradients, but for the blocks that the settings freeze.

    References
    ----------
    .. [1] S. Mo, M. Cho, J. Shin, "Freeze the Discriminator: a Simple Baseline for Fine-Tuning
           GANs", CVPR workshop AI4CC 2020.
    """
    state.discriminator.requires_grad_(True)
    if state.grown_at:
        return
    for resolution in state.discriminator.halvings[: config.freeze_discriminator]:
        residual_part(state.discriminator).get_submodule(f"b{resolution}").requires_grad_(False)


def _initial(config: TrainConfig, resolution: int, image_channels: int) -> Generator:
    """Return a trainable copy of the generator that `init` names, checked against the scans."""
    generator = load_generator(config.init).train().requires_grad_(True)
    has = (*generator.config.size_px(generator.resolution), generator.image_channels)
    wants = (*config.network.size_px(resolution), image_channels)
    if has != wants:
        raise CheckpointError(
            f"{config.init} draws {has[0]} x {has[1]} px with {has[2]} channels; the scans have "
            f"{wants[0]} x {wants[1]} px with {wants[2]}. Prepare scans of {has[0]} x {has[1]} px "
            "or of doublings of that, or leave `init` empty to train from random weights."
        )
    spread_codes(generator, config.init_spread)
    if config.network.clutter != generator.config.clutter:
        generator = with_clutter(generator, config.network.clutter)
    if config.init_widen:
        sizes = config.network
        wide = widened(generator, sizes.channel_base, sizes.channel_max)
        if wide.sites == generator.sites:
            raise InputError(
                f"init_widen finds nothing to widen: {config.init} has the channels that channel_"
                f"base {sizes.channel_base} and channel_max {sizes.channel_max} give. Set either "
                "higher, or `init_widen: false`."
            )
        return wide
    return generator


def _load_partner(config: TrainConfig, discriminator: Discriminator) -> bool:
    """Load the discriminator beside the initial generator, if it fits; tell whether it did.

    All of it fits or none; only its layer that names contents may be there on one side alone, and
    kinds of clutter that it is told of.
    """
    path = discriminator_path(config.init)
    if path is None:
        return False
    tensors = load_discriminator(path)
    target = discriminator.state_dict()
    known = {name: tensor for name, tensor in tensors.items() if name in target}
    labels = len(discriminator.config.label_names)
    if TOLD in known and known[TOLD].ndim == 2 and known[TOLD].shape[1] >= max(labels, 1):
        wanted, given = discriminator.config.n_told, known[TOLD].shape[1]
        # Its gain falls with the number of columns.
        known[TOLD] = F.pad(known[TOLD], (0, wanted - given)) * math.sqrt(wanted / given)
    differ = set(tensors) ^ set(target) | {n for n in known if known[n].shape != target[n].shape}
    if not all(name.startswith(NAMING_LAYER) for name in differ):
        return False
    fitting = {name: tensor for name, tensor in known.items() if name not in differ}
    discriminator.load_state_dict(target | fitting)
    return True


def assemble(
    config: TrainConfig, generator: Generator, discriminator: Judge, kept: int = 0
) -> TrainState:
    """Return a state at zero images around two networks, on the device of the settings."""
    device = torch_device(config.device)
    generator, discriminator = generator.to(device), discriminator.to(device)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    _freeze(generator, kept)
    frozen = N_POOLED if isinstance(discriminator, JointDiscriminator) else 0
    moments = new_moments(discriminator.config, frozen) if config.moments_weight else Moments()
    lazy_path = config.path_length_interval if config.path_length_weight else 0
    return TrainState(
        generator=generator,
        discriminator=discriminator,
        average=average,
        moments=moments.to(device),
        generator_optimiser=_adam({generator: config.learning_rate}, lazy_path),
        discriminator_optimiser=_adam(_rates(config, discriminator), config.r1_interval),
        kept=kept,
    )


def _freeze(generator: Generator, kept: int) -> None:
    """Let the generator's blocks beyond a resolution learn, and nothing else; all of it for 0."""
    if not kept:
        return
    generator.requires_grad_(False)
    for resolution in generator.synthesis.resolutions:
        if resolution > kept:
            generator.synthesis.block(resolution).requires_grad_(True)


def _rates(config: TrainConfig, discriminator: Judge) -> dict[nn.Module, float]:
    """Return the step size of every part of a discriminator."""
    rates: dict[nn.Module, float] = {residual_part(discriminator): config.learning_rate}
    if isinstance(discriminator, JointDiscriminator):
        rates[discriminator.projected] = config.projected.learning_rate
        if hasattr(discriminator, "clutter"):
            rates[discriminator.clutter] = config.projected.learning_rate
    return rates


def _adam(rates: dict[nn.Module, float], interval: int) -> torch.optim.Adam:
    """Return Adam, corrected for a penalty that comes every `interval` steps (0: never)."""
    share = interval / (interval + 1) if interval else 1.0
    betas = (0.0, 0.99**share)
    groups = [{"params": list(m.parameters()), "lr": rate * share} for m, rate in rates.items()]
    return torch.optim.Adam(groups, betas=betas, eps=1e-8, fused=True)


def _carry(old: nn.Module, new: nn.Module) -> None:
    """Copy every tensor whose name and shape both networks share."""
    target = new.state_dict()
    shared = {
        n: t for n, t in old.state_dict().items() if n in target and target[n].shape == t.shape
    }
    new.load_state_dict(target | shared)
