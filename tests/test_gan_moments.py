"""Running moments of what the frozen network sees: what they hold, and where they pull."""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.gan.moments import FLOOR, LABEL_GAIN, Moments, batch_moments

N_FEATURES, N_LABELS = 5, 2


def drawn(count: int, seed: int, *, scale: float = 1.0) -> Tensor:
    """Return features with two multi-hot labels behind them."""
    rng = torch.Generator().manual_seed(seed)
    labels = (torch.rand((count, N_LABELS), generator=rng) < 0.4).float()
    mix = torch.randn((N_FEATURES, N_FEATURES), generator=torch.Generator().manual_seed(9))
    features = torch.randn((count, N_FEATURES), generator=rng) @ mix * scale + 2.0
    features[:, 0] += 3.0 * labels[:, 1]
    return torch.cat([features, labels], dim=1)


def followed(real: Tensor, fake: Tensor) -> Moments:
    moments = Moments(N_FEATURES, N_LABELS)
    moments.follow(*batch_moments(torch.cat([real, fake])), len(real))
    return moments


def distance(real: Tensor, fake: Tensor) -> Tensor:
    """Return the squared distance of means and covariances, written down directly."""
    covariance = real.T.cov(correction=0)
    variance = covariance.diagonal()
    gain = torch.tensor([1.0] * N_FEATURES + [LABEL_GAIN] * N_LABELS)
    scale = gain / (variance + FLOOR * variance.mean()).sqrt()
    standard = (fake - real.mean(dim=0)) * scale
    spread = standard.T @ standard / len(fake) - covariance * scale * scale[:, None]
    return (standard.mean(dim=0).square().sum() + spread.square().sum()) / real.shape[1]


def test_the_pull_is_the_gradient_of_the_distance() -> None:
    real = drawn(512, 0)
    fake = drawn(512, 1, scale=0.5)
    moments = followed(real, fake)
    seen = fake.clone().requires_grad_()
    (pulled,) = torch.autograd.grad(moments.pull(seen), seen)
    direct = fake.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(distance(real, direct), direct)
    torch.testing.assert_close(pulled, wanted, rtol=1e-2, atol=1e-5)


def test_scans_that_are_all_alike_are_pulled_apart() -> None:
    real = drawn(4096, 2)
    fake = real.mean(dim=0) + 0.1 * (drawn(256, 3) - real.mean(dim=0))
    fake = fake.requires_grad_()
    optimiser = torch.optim.Adam([fake], lr=0.05)
    before = distance(real, fake).item()
    for _ in range(300):
        optimiser.zero_grad()
        followed(real, fake.detach().repeat(16, 1)).pull(fake).backward()
        optimiser.step()
    assert distance(real, fake).item() < 0.05 * before


def test_moments_run_over_many_batches() -> None:
    moments = Moments(N_FEATURES, N_LABELS)
    batches = [drawn(64, seed) for seed in range(10)]
    for batch in batches:
        moments.follow(*batch_moments(torch.cat([batch, batch])), 64)
    joined = torch.cat(batches)
    for row in range(2):
        torch.testing.assert_close(moments.mean[row], joined.mean(dim=0))
        torch.testing.assert_close(moments.second[row], joined.T @ joined / len(joined))


def test_few_scans_do_not_pull() -> None:
    few, fake = drawn(64, 0), drawn(64, 1).requires_grad_()
    followed(few, fake.detach()).pull(fake).backward()
    assert fake.grad is not None and not fake.grad.any()
