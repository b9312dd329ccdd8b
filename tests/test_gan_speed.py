"""What makes training fast changes no result: precision, layouts, fused forms."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan import precision
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.convolve import (
    convolve,
    convolve_transposed,
    second_derivatives,
    without_weight_gradients,
)
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.generator import Generator
from xraysynth.gan.layers import demodulated
from xraysynth.gan.losses import gradient_penalty
from xraysynth.gan.precision import compute_dtype, has_fast_bfloat16
from xraysynth.gan.resample import blur, downsample

CPU = torch.device("cpu")
TINY = NetworkConfig(
    resolution=16, z_dim=16, w_dim=16, mapping_layers=2, channel_base=256, channel_max=16
)


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """Fix the initial weights of new networks, and give the global generator back unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("noisy", [True, False])
def test_demodulation_bias_and_noise_in_one_go(
    dtype: torch.dtype, tolerance: float, noisy: bool
) -> None:
    features = numbers(3, 5, 4, 6).contiguous(memory_format=torch.channels_last)
    demodulation, bias = numbers(3, 5, seed=1).abs(), numbers(5, seed=2)
    noise = numbers(1, 1, 4, 6, seed=3) if noisy else None
    actual = demodulated(features.to(dtype), demodulation, bias, noise)
    total = features * demodulation[:, :, None, None] + bias[:, None, None]
    total = total if noise is None else total + noise
    assert actual.dtype == dtype
    assert actual.is_contiguous(memory_format=torch.channels_last)
    explicit = torch.where(total > 0, total, 0.2 * total)
    torch.testing.assert_close(actual.float(), explicit, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_halving_keeps_the_type(dtype: torch.dtype) -> None:
    assert downsample(numbers(1, 2, 8, 8).to(dtype)).dtype == dtype


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_convolution_has_exact_derivatives(stride: int, padding: int) -> None:
    features = numbers(2, 2, 5, 5).double().requires_grad_()
    weight = numbers(3, 2, 3, 3, seed=1).double().requires_grad_()

    def ours(features: Tensor, weight: Tensor) -> Tensor:
        return convolve(features, weight, stride, padding)

    expected = torch.nn.functional.conv2d(features, weight, stride=stride, padding=padding)
    torch.testing.assert_close(ours(features, weight), expected)
    assert torch.autograd.gradcheck(ours, (features, weight))
    assert torch.autograd.gradgradcheck(ours, (features, weight))


def test_transposed_convolution_has_exact_derivatives() -> None:
    features = numbers(2, 2, 3, 4).double().requires_grad_()
    weight = numbers(2, 3, 3, 3, seed=1).double().requires_grad_()

    def ours(features: Tensor, weight: Tensor) -> Tensor:
        return convolve_transposed(features, weight, 2)

    expected = torch.nn.functional.conv_transpose2d(features, weight, stride=2)
    torch.testing.assert_close(ours(features, weight), expected)
    assert torch.autograd.gradcheck(ours, (features, weight))
    assert torch.autograd.gradgradcheck(ours, (features, weight))


@pytest.mark.parametrize("transposed", [False, True])
def test_first_derivative_without_weights_leaves_the_second_whole(transposed: bool) -> None:
    features = numbers(2, 2, 5, 5).double().requires_grad_()
    weight = numbers(2, 2, 3, 3, seed=1).double().requires_grad_()
    direction = numbers(1, seed=2).double()

    def penalty(manager: AbstractContextManager[None]) -> Tensor:
        maps = (
            convolve_transposed(features, weight, 2) if transposed else convolve(features, weight)
        )
        with manager:
            (slope,) = torch.autograd.grad(
                (maps.sin() * direction).sum(), features, create_graph=True
            )
        return slope.square().sum()

    left_out, plain = (
        torch.autograd.grad(penalty(manager), (features, weight))
        for manager in (without_weight_gradients(), nullcontext())
    )
    for ours, theirs in zip(left_out, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    maps = convolve(features, weight)
    with without_weight_gradients():
        unused = torch.autograd.grad(maps.sum(), (features, weight), allow_unused=True)
    assert unused[0] is not None and unused[1] is None


def test_penalty_is_the_same_where_second_derivatives_are_announced() -> None:
    discriminator, images = Discriminator(TINY).double(), numbers(4, 3, 16, 16).double()
    found = []
    for manager in (nullcontext(), second_derivatives()):
        images = images.detach().requires_grad_(True)
        with manager:
            score = discriminator(images)
        total = gradient_penalty(images, score).mean()
        wanted = [p for n, p in discriminator.named_parameters() if n != "b4.out.bias"]
        found.append(torch.autograd.grad(total, wanted, allow_unused=True))
    for plain, ours in zip(*found, strict=True):
        assert (plain is None) == (ours is None)
        if plain is not None and ours is not None:
            torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_blur_has_exact_derivatives(padding: int) -> None:
    image = numbers(1, 2, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda pixels: blur(pixels, padding), (image,))
    assert torch.autograd.gradgradcheck(lambda pixels: blur(pixels, padding), (image,))


def gradients(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return images and all gradients of the generator's loss, in float32."""
    torch.manual_seed(1)
    generator, discriminator = Generator(TINY), Discriminator(TINY)
    latent_w = generator.mapping(numbers(8, 16))
    rng = torch.Generator().manual_seed(0)
    images = generator.synthesis(latent_w, "random", rng=rng, dtype=dtype)
    assert images.dtype == torch.float32
    score = discriminator(images.to(dtype))
    assert score.dtype == torch.float32
    torch.nn.functional.softplus(-score).mean().backward()
    parameters = [*generator.parameters(), *discriminator.parameters()]
    slopes = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert all(slope.dtype == torch.float32 for slope in slopes)
    assert len(slopes) == len(parameters)
    return images.detach(), torch.cat([slope.flatten() for slope in slopes])


def test_bfloat16_keeps_pictures_and_the_direction_of_descent() -> None:
    images, slope = gradients(torch.float32)
    rough_images, rough_slope = gradients(torch.bfloat16)
    assert (rough_images - images).abs().mean() < 0.01 * images.abs().mean()
    assert torch.cosine_similarity(slope, rough_slope, dim=0) > 0.995
    assert rough_slope.norm().item() == pytest.approx(slope.norm().item(), rel=0.05)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, object], expected: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "_processor_capabilities", lambda: flags)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert compute_dtype("auto", CPU) == expected
    assert compute_dtype("float32", CPU) == torch.float32
    assert compute_dtype("bfloat16", CPU) == torch.bfloat16


def test_bfloat16_on_an_accelerator_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    device = torch.device("cuda")
    assert not has_fast_bfloat16(device)
    assert compute_dtype("auto", device) == torch.float32
    with pytest.raises(InputError, match="Tesla T4 does not compute"):
        compute_dtype("bfloat16", device)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_kept() -> None:
    # In a process of its own: the setting lasts as long as the process.
    source = """
import resource, torch
from xraysynth.gan.allocation import keep_freed_memory
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = keep_freed_memory()
for _ in range(3): torch.zeros(8 << 20)
before = faults()
for _ in range(20): torch.zeros(8 << 20)
print(kept, faults() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    assert kept == "False" or int(faults) < 10 * 8192  # pages of 4 KiB; 20 new ones have 20 * 8192
