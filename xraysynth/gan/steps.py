"""The named steps of a training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xraysynth.errors import StageError
from xraysynth.gan.augment import apply_augmentation, draw_augmentation
from xraysynth.gan.clutter import agreeing, told
from xraysynth.gan.convolve import second_derivatives
from xraysynth.gan.data import ScanStream
from xraysynth.gan.discriminator import Judgement
from xraysynth.gan.distributed import ALONE, JoinedRng, Share, average, average_gradients, share_of
from xraysynth.gan.generator import Generator
from xraysynth.gan.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    path_lengths,
)
from xraysynth.gan.naming import misnamed
from xraysynth.gan.precision import compute_dtype
from xraysynth.gan.state import TrainState, let_learn
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.variety import follow_moments, pull_of_moments
from xraysynth.randomness import stream_seed

W_AVERAGE_DECAY = 0.995
PATH_DECAY = 0.01
START_ANEW = (
    "The last checkpoint, if there is one, is whole; lower learning_rate or raise r1_strength, and "
    "start in a new folder, with `init` naming that checkpoint."
)
"""What to do about a run that went wrong: its own folder goes on with its own settings alone."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step sees: real scans, latents, and the step's own random streams."""

    real: Tensor
    latent_z: Tensor
    mixing_z: Tensor
    rng: torch.Generator
    """For choices of the joined batch, on the processor."""
    noise_rng: JoinedRng
    """For pictures full of noise, where the networks are."""
    share: Share = ALONE
    """Which samples of the joined batch are here."""
    real_labels: Tensor | None = None
    """(n, labels) multi-hot of what the real scans hold; None for unconditional networks."""
    drawn_labels: Tensor | None = None
    """(n, labels) multi-hot of what the generator is asked for."""
    clutter: Tensor | None = None
    """(n, kinds) what the real scans hold and the latents say, NaN where unknown; None without."""

    real_told: Tensor | None = None
    """(n, labels and kinds) what the discriminator is told of the real scans."""
    drawn_told: Tensor | None = None
    """(n, labels and kinds) what it is told of the generated ones."""

    @property
    def all_told(self) -> Tensor | None:
        """What the discriminator is told of the real scans, then of the generated ones."""
        if self.real_told is None or self.drawn_told is None:
            return None
        return torch.cat([self.real_told, self.drawn_told])


def draw_batch(state: TrainState, scans: ScanStream, config: TrainConfig, seed: int) -> Batch:
    """Return the batch of the present step; the same whenever it is asked for."""
    rng = torch.Generator().manual_seed(stream_seed(seed, "step", state.step))
    noise_seed = stream_seed(seed, "noise", state.step)
    shape = (config.batch, state.generator.z_dim)
    share = share_of(config.batch)
    real_labels, drawn_labels = (
        None if labels is None else share.of(labels).to(state.device)
        for labels in scans.labels(
            state.images_seen,
            config.batch,
            drop=config.label_drop,
            # What is said of clutter is the real scan's: labels of another do not go with it.
            paired=config.loss == "relativistic" or bool(scans.kinds),
        )
    )
    latents = [torch.randn(shape, generator=rng) for _ in range(2)]
    clutter = scans.clutter(state.images_seen, config.batch)
    if clutter is not None:
        latents = [agreeing(z, clutter, scans.kinds, rng) for z in latents]
        clutter = share.of(clutter).to(state.device)
    latent_z, mixing_z = (share.of(z).to(state.device) for z in latents)
    return Batch(
        real=_real_scans(state, scans, config.batch, share).to(state.device),
        latent_z=latent_z,
        mixing_z=mixing_z,
        rng=rng,
        noise_rng=JoinedRng(torch.Generator(state.device).manual_seed(noise_seed), share),
        share=share,
        real_labels=real_labels,
        drawn_labels=drawn_labels,
        clutter=clutter,
        real_told=told(real_labels, clutter, scans.kinds),
        drawn_told=told(drawn_labels, clutter, scans.kinds),
    )


def _real_scans(state: TrainState, scans: ScanStream, batch: int, share: Share) -> Tensor:
    """Return this process's share of the real scans; the others are not read."""
    if share.world == 1:
        return scans.batch(state.images_seen, batch, state.resolution)
    places = [state.images_seen + row for row in share.rows(batch)]
    return torch.cat([scans.batch(place, 1, state.resolution) for place in places])


def synthesise(state: TrainState, batch: Batch, config: TrainConfig) -> Tensor:
    """Return generated images with their graph; also moves the running mean of w, if w learns."""
    generator = state.generator
    single = generator.mapping.single(batch.latent_z, batch.drawn_labels)
    if not state.kept:
        with torch.no_grad():
            mean = average(single.detach().mean(dim=0))
            generator.mapping.w_avg.lerp_(mean, 1.0 - W_AVERAGE_DECAY)
    latent_w = single[:, None, :].expand(-1, generator.num_ws, -1)
    if config.style_mixing:
        latent_w = mix_styles(generator, latent_w, batch, config.style_mixing)
    images: Tensor = generator.synthesis(
        latent_w, "random", rng=batch.noise_rng, dtype=compute_dtype(config.precision, state.device)
    )
    return generator.as_shown(images)


def mix_styles(generator: Generator, latent_w: Tensor, batch: Batch, share: float) -> Tensor:
    """Take the rows of w after a random layer from a second latent, for a share of the samples."""
    count, num_ws = len(latent_w) * batch.share.world, latent_w.shape[1]
    cutoff = torch.randint(1, num_ws, (count,), generator=batch.rng)
    mixed = torch.rand(count, generator=batch.rng) < share
    cutoff = batch.share.of(torch.where(mixed, cutoff, torch.full_like(cutoff, num_ws)))
    other = generator.mapping.single(batch.mixing_z, batch.drawn_labels)[:, None, :]
    later = torch.arange(num_ws)[None, :] >= cutoff[:, None]
    return torch.where(later[:, :, None].to(latent_w.device), other, latent_w)


def discriminator_step(
    state: TrainState, batch: Batch, fake: Tensor, config: TrainConfig
) -> tuple[Tensor, dict[str, float]]:
    """Teach the discriminator one batch; every `r1_interval` steps also penalise its gradient.

    Returns the scores of the real scans, which the relativistic generator loss compares with.
    """
    let_learn(state, config)
    real_seen = augmented(state, batch, batch.real, config)
    fake_seen = augmented(state, batch, fake.detach(), config)
    seen = torch.cat([real_seen, fake_seen])
    judgement = judged(state, seen, batch.all_told, config, parts=2)
    score, named, _ = judgement
    follow_moments(state, seen, judgement, batch.all_told, config)
    real_score, fake_score = score.chunk(2)
    loss = discriminator_loss(config.loss, fake_score, real_score)
    # What generated scans hold is not learned from: they may not show what was asked for.
    real_named = None if named is None else named.chunk(2)[0]
    loss = loss + misnamed(state, real_named, batch.real_labels, batch.clutter, config)
    joined_loss = descend(state.discriminator_optimiser, state.discriminator, loss)
    real_score = real_score.detach()
    # Relativistic scores have no zero: how sure the discriminator is shows in the pairs.
    margin = real_score - fake_score.detach() if config.loss == "relativistic" else real_score
    sign = average(margin.sign().mean()).item()
    stats = {"loss_discriminator": joined_loss, "real_sign": sign}
    if state.step % config.r1_interval == 0:
        stats["gradient_penalty"] = penalise_gradient(state, (real_seen, fake_seen), batch, config)
    return real_score, stats


def penalise_gradient(
    state: TrainState, seen: tuple[Tensor, Tensor], batch: Batch, config: TrainConfig
) -> float:
    """Lazy R1 (and R2): gamma / 2 |gradient|^2, weighted by the interval between penalties.

    The gradient is taken at the augmented images, not before their augmentation as published:
    what the discriminator sees is what its slope should be bounded at, and it costs less.
    """
    gamma = config.r1_strength * state.resolution**2 / config.batch
    total = torch.zeros((), device=state.device)
    pairs = list(zip(seen, (batch.real_told, batch.drawn_told), strict=True))
    for images, labels in pairs if config.penalise_fakes else pairs[:1]:
        images = images.detach().requires_grad_(True)
        with second_derivatives():
            score = state.discriminator(images, labels)
        total = total + gradient_penalty(images, score).mean()
    descend(
        state.discriminator_optimiser, state.discriminator, total * (gamma / 2 * config.r1_interval)
    )
    return average(total.detach()).item()


def generator_step(
    state: TrainState, batch: Batch, fake: Tensor, real_score: Tensor, config: TrainConfig
) -> dict[str, float]:
    """Teach the generator with the images that the discriminator has just seen."""
    state.discriminator.requires_grad_(False)
    fake_seen = augmented(state, batch, fake, config)
    judgement = judged(state, fake_seen, batch.drawn_told, config)
    loss = generator_loss(config.loss, judgement.score, real_score)
    loss = loss + misnamed(state, judgement.named, batch.drawn_labels, batch.clutter, config)
    loss = loss + pull_of_moments(state, fake_seen, judgement, batch.drawn_told, config)
    joined_loss = descend(state.generator_optimiser, state.generator, loss)
    stats = {"loss_generator": joined_loss}
    if config.path_length_weight and state.step % config.path_length_interval == 0:
        stats["path_length"] = penalise_path(state, batch, config)
    return stats


def penalise_path(state: TrainState, batch: Batch, config: TrainConfig) -> float:
    """Lazy path length regularisation on half a batch; returns the mean length."""
    count = max(len(batch.mixing_z) // 2, 1)
    generator = state.generator
    labels = None if batch.drawn_labels is None else batch.drawn_labels[:count]
    latent_w = generator.mapping(batch.mixing_z[:count], labels=labels)
    if not latent_w.requires_grad:  # A frozen mapping's codes.
        latent_w.requires_grad_(True)
    images = generator.synthesis(latent_w, "random", rng=batch.noise_rng)
    lengths = path_lengths(images, latent_w, batch.noise_rng.normal(images.shape))
    mean = average(lengths.detach().mean()).item()
    state.path_mean += PATH_DECAY * (mean - state.path_mean)
    penalty = (lengths - state.path_mean).square().mean()
    weight = config.path_length_weight * config.path_length_interval
    descend(state.generator_optimiser, generator, penalty * weight)
    return mean


def judged(
    state: TrainState, images: Tensor, labels: Tensor | None, config: TrainConfig, parts: int = 1
) -> Judgement:
    """Return what the discriminator says, computed in the precision of the settings.

    `parts` sets of scans stand one after the other, each judged by itself.
    """
    dtype = compute_dtype(config.precision, state.device)
    return state.discriminator.judge(images.to(dtype), labels, parts)


def augmented(state: TrainState, batch: Batch, images: Tensor, config: TrainConfig) -> Tensor:
    """Augment images with fresh draws of the present probability."""
    if config.augment == "none" or state.augment_p == 0.0:
        return images
    size = (images.shape[2], images.shape[3])
    joined = len(images) * batch.share.world
    draw = draw_augmentation(config.augmentations, state.augment_p, joined, size, batch.rng)
    sizes = state.generator.config
    return apply_augmentation(images, draw.rows(batch.share), sizes.value_map, sizes.pixel_bits)


def descend(optimiser: torch.optim.Adam, module: nn.Module, loss: Tensor) -> float:
    """One optimiser step; a parameter without gradient counts as zero, as published.

    Returns the loss over the joined batch.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    joined_loss = average_gradients(module.parameters(), loss.detach())
    if not math.isfinite(joined_loss):
        raise StageError(f"training diverged: the loss is {joined_loss}. {START_ANEW}")
    optimiser.step()
    return joined_loss


@torch.no_grad()
def update_average(state: TrainState, config: TrainConfig) -> None:
    """Move the averaged generator: half-life `ema_kimg`, shorter while little has been seen.

    A run that starts from a trained generator has no bad beginning to forget, so it never shortens.
    """
    half_life = config.ema_kimg * 1000.0
    if not config.init:
        half_life = min(half_life, config.ema_rampup * state.images_seen)
    beta = 0.5 ** (config.batch / max(half_life, 1e-8))
    average: list[Tensor] = list(state.average.parameters())
    present: list[Tensor] = list(state.generator.parameters())
    torch._foreach_lerp_(average, present, 1.0 - beta)
    for name, buffer in state.average.named_buffers():
        buffer.copy_(state.generator.get_buffer(name))


def warm_up(state: TrainState, config: TrainConfig) -> None:
    """Let the generator's rate rise from zero after a start or growth.

    Its judge must learn first: a new discriminator block says nothing yet.
    """
    share = 1.0
    if config.warmup_kimg:
        share = min((state.images_seen - state.grown_at) / (config.warmup_kimg * 1000.0), 1.0)
    lazy = config.path_length_interval if config.path_length_weight else 0
    correction = lazy / (lazy + 1) if lazy else 1.0
    for group in state.generator_optimiser.param_groups:
        group["lr"] = config.learning_rate * correction * share
