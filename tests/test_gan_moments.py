"""Running moments of what the frozen network sees: what they hold, and where they pull."""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.gan import moments as module
from xraysynth.gan.moments import Moments, batch_moments

N_FEATURES, N_LABELS = 5, 2
GROUPS = ((N_FEATURES, 1.0), (N_LABELS, 0.25))


def drawn(count: int, seed: int, *, scale: float = 1.0) -> Tensor:
    """Return features with two multi-hot labels behind them."""
    rng = torch.Generator().manual_seed(seed)
    labels = (torch.rand((count, N_LABELS), generator=rng) < 0.4).float()
    mix = torch.randn((N_FEATURES, N_FEATURES), generator=torch.Generator().manual_seed(9))
    features = torch.randn((count, N_FEATURES), generator=rng) @ mix * scale + 2.0
    features[:, 0] += 3.0 * labels[:, 1]
    return torch.cat([features, labels], dim=1)


def followed(real: Tensor, fake: Tensor) -> Moments:
    moments = Moments(GROUPS)
    moments.follow(*batch_moments(torch.cat([real, fake])), len(real))
    return moments


def pulled(moments: Moments, fake: Tensor) -> Tensor:
    return moments.pull(fake, fake.detach().mean(dim=0))


def distance(real: Tensor, fake: Tensor) -> Tensor:
    """Return the squared distance of means and covariances, written down directly."""
    covariance = real.T.cov(correction=0)
    groups = covariance.diagonal().split([count for count, _ in GROUPS])
    scale = torch.cat(
        [
            (total / group.sum()).sqrt().expand(len(group))
            for group, (_, total) in zip(groups, GROUPS, strict=True)
        ]
    )
    scaled = covariance * scale * scale[:, None]
    least = torch.linalg.eigvalsh(scaled)[0]
    weight = torch.linalg.inv(scaled + least * torch.eye(len(scaled)))
    shift = (fake - real).mean(dim=0) * scale
    excess = (fake.T.cov(correction=0) - covariance) * scale * scale[:, None]
    spread = torch.trace(weight @ excess @ weight @ excess)
    return (shift @ weight @ shift + spread) / module.RANK


def test_the_pull_is_the_gradient_of_the_distance() -> None:
    real = drawn(2048, 0)
    fake = drawn(2048, 1, scale=0.5)
    seen = fake.clone().requires_grad_()
    (found,) = torch.autograd.grad(pulled(followed(real, fake), seen), seen)
    direct = fake.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(distance(real, direct), direct)
    torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-6)


def test_scans_that_are_all_alike_are_pulled_apart() -> None:
    real = drawn(4096, 2)
    fake = real.mean(dim=0) + 0.1 * (drawn(256, 3) - real.mean(dim=0))
    fake = fake.requires_grad_()
    optimiser = torch.optim.Adam([fake], lr=0.05)
    before = distance(real, fake.repeat(16, 1)).item()
    for _ in range(300):
        optimiser.zero_grad()
        pulled(followed(real, fake.detach().repeat(16, 1)), fake).backward()
        optimiser.step()
    assert distance(real, fake.repeat(16, 1)).item() < 0.05 * before


def test_a_generator_that_wanders_does_not_pass_for_one_that_varies() -> None:
    real = drawn(64 * 32, 4)
    alike = 0.1 * drawn(64 * 32, 5).reshape(64, 32, -1) + drawn(64, 6)[:, None]
    moments = Moments(GROUPS)
    for own, fake in zip(real.split(32), alike, strict=True):
        moments.follow(*batch_moments(torch.cat([own, fake])), 32)
    assert alike.flatten(0, 1).var(dim=0).sum() > 0.5 * real.var(dim=0).sum()
    own, fake = moments.covariance.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert fake < 0.05 * own


def test_moments_run_over_many_batches() -> None:
    moments = Moments(GROUPS)
    batches = [drawn(64, seed) for seed in range(8)]
    for batch in batches:
        moments.follow(*batch_moments(torch.cat([batch, batch])), 64)
    within = torch.stack([batch.T.cov(correction=0) for batch in batches]).mean(dim=0)
    for row in range(2):
        torch.testing.assert_close(moments.mean[row], torch.cat(batches).mean(dim=0))
        torch.testing.assert_close(moments.covariance[row], within)


def test_few_scans_do_not_pull() -> None:
    few, fake = drawn(64, 0), drawn(64, 1).requires_grad_()
    pulled(followed(few, fake.detach()), fake).backward()
    assert fake.grad is not None and not fake.grad.any()


def test_what_real_scans_never_do_is_not_blown_up() -> None:
    """A feature that is constant in real scans pulls no harder than one that varies least."""
    real, fake = drawn(2048, 0), drawn(2048, 1)
    real[:, 2] = 1.0
    seen = fake.clone().requires_grad_()
    (found,) = torch.autograd.grad(pulled(followed(real, fake), seen), seen)
    assert found.isfinite().all()
