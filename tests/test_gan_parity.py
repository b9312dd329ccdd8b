"""The networks equal StyleGAN2-ADA's: reference tensors, explicit forms, hand computation."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator, append_minibatch_deviation
from xraysynth.gan.generator import Generator
from xraysynth.gan.layers import Convolution, Dense, SynthesisLayer, ToImage
from xraysynth.gan.losses import gradient_penalty, path_lengths
from xraysynth.gan.resample import blur, downsample, upsample

TOLERANCE = 1e-4
REFERENCE = NetworkConfig(
    resolution=32, z_dim=32, w_dim=32, mapping_layers=4, channel_base=512, channel_max=24
)
PUBLISHED = NetworkConfig(
    resolution=256,
    z_dim=512,
    w_dim=512,
    mapping_layers=8,
    channel_base=16384,
    channel_max=512,
)
TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)
FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    """Fix the initial weights of new networks, and give the global generator back unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "reference" / "stylegan2_ada_tiny.npz") as arrays:
        kinds = {name: arrays[name] for name in arrays.files if arrays[name].dtype.kind == "f"}
        return {name: torch.from_numpy(array) for name, array in kinds.items()}


@pytest.fixture(scope="module")
def generator(reference: dict[str, Tensor]) -> Generator:
    network = Generator(REFERENCE)
    network.load_state_dict(weights(reference, "G/"))
    return network.requires_grad_(False)


@pytest.fixture
def discriminator(reference: dict[str, Tensor]) -> Discriminator:
    network = Discriminator(REFERENCE)
    network.load_state_dict(weights(reference, "D/"))
    return network


def weights(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return one network's weights; the filters are constants and not among ours."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and not name.endswith("resample_filter")
    }


def assert_near(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Reference values: generator


@pytest.mark.parametrize(("truncation_psi", "name"), [(1.0, "w"), (0.7, "w_psi0.7")])
def test_mapping_meets_the_reference(
    generator: Generator, reference: dict[str, Tensor], truncation_psi: float, name: str
) -> None:
    assert_near(generator.mapping(reference["z"], truncation_psi), reference[name])


@pytest.mark.parametrize(
    ("latent", "noise_mode", "name"),
    [
        ("w", "const", "image_const_noise"),
        ("w", "none", "image_no_noise"),
        ("w_psi0.7", "const", "image_psi0.7_const_noise"),
    ],
)
def test_images_meet_the_reference(
    generator: Generator, reference: dict[str, Tensor], latent: str, noise_mode: str, name: str
) -> None:
    assert_near(generator.synthesis(reference[latent], noise_mode), reference[name])


def test_mixed_images_meet_the_reference(
    generator: Generator, reference: dict[str, Tensor]
) -> None:
    latent_w = reference["w"].clone()
    latent_w[:, 4:] = latent_w.flip(0)[:, 4:]
    assert_near(generator.synthesis(latent_w), reference["image_mixed_from_layer4_const_noise"])


def test_every_activation_meets_the_reference(
    generator: Generator, reference: dict[str, Tensor]
) -> None:
    met = []

    def compare(index: int, activation: Tensor) -> None:
        site = generator.sites[index]
        met.append(f"feature/synthesis.{site.name}")
        assert activation.shape[1:] == (site.channels, site.resolution, site.resolution)
        assert_near(activation, reference[met[-1]])

    generator.synthesis(reference["w"], on_activation=compare)
    assert met == [
        name for name in reference if name.startswith("feature/") and "torgb" not in name
    ]


def test_every_image_skip_meets_the_reference(
    generator: Generator, reference: dict[str, Tensor]
) -> None:
    for index, resolution in enumerate(REFERENCE.resolutions):
        block = f"feature/synthesis.b{resolution}"
        row = 2 * index + 1
        to_image = generator.synthesis.block(resolution).torgb
        image = to_image(reference[f"{block}.conv1"], reference["w"][:, row])
        assert_near(image, reference[f"{block}.torgb"])


def test_path_lengths_meet_the_reference(
    generator: Generator, reference: dict[str, Tensor]
) -> None:
    latent_w = reference["w"].clone().requires_grad_()
    lengths = path_lengths(generator.synthesis(latent_w), latent_w, path_noise(reference))
    torch.testing.assert_close(lengths, reference["ppl_lengths"], rtol=TOLERANCE, atol=0)


def path_noise(reference: dict[str, Tensor]) -> Tensor:
    """Return the noise before its division by sqrt(height * width), which the file has had."""
    noise = reference["ppl_noise"]
    return noise * math.sqrt(noise.shape[2] * noise.shape[3])


# Reference values: discriminator


def test_scores_meet_the_reference(
    discriminator: Discriminator, reference: dict[str, Tensor]
) -> None:
    assert_near(discriminator(reference["D_input"]), reference["D_logits"])


def test_gradient_penalty_and_its_gradients_meet_the_reference(
    discriminator: Discriminator, reference: dict[str, Tensor], shared: Path
) -> None:
    with np.load(shared / "reference" / "stylegan2_ada_tiny.npz") as arrays:
        names = [str(name) for name in arrays["r1_param_names"]]
    images = reference["D_input"].clone().requires_grad_()
    penalty = gradient_penalty(images, discriminator(images))
    torch.testing.assert_close(penalty, reference["r1_grad_norm_sq"], rtol=TOLERANCE, atol=1e-6)
    penalty.mean().backward()
    parameters = dict(discriminator.named_parameters())
    assert sorted(names) == sorted(parameters)
    for name, expected in zip(names, reference["r1_param_grad_norm"].tolist(), strict=True):
        gradient = parameters[name].grad
        norm = 0.0 if gradient is None else gradient.norm().item()
        assert norm == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE), name


# Reference values: resampling and names


def test_resampling_meets_the_reference(reference: dict[str, Tensor]) -> None:
    image = reference["fir_input"]
    assert_near(upsample(image), reference["fir_upsample2d"])
    assert_near(downsample(image), reference["fir_downsample2d"])
    assert_near(filter_in_place(image), reference["fir_filter2d"])
    assert_near(FIR, reference["fir_filter"])


def filter_in_place(image: Tensor) -> Tensor:
    """Filter at the same size: two zeros before, one after."""
    return blur(F.pad(image, (2, 1, 2, 1)), padding=0)


@pytest.mark.parametrize(("letter", "kind"), [("G", Generator), ("D", Discriminator)])
def test_names_and_shapes_are_the_published_ones(
    shared: Path, letter: str, kind: type[nn.Module]
) -> None:
    published = json.loads((shared / "reference" / "stylegan2_ada_256_keys.json").read_text())
    expected = {
        name: tuple(shape)
        for name, shape in published[letter].items()
        if not name.endswith("resample_filter")
    }
    with torch.device("meta"):
        network = kind(PUBLISHED)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == expected


# Explicit forms, needing no file


def stuffed(image: Tensor) -> Tensor:
    """Double the pitch by zeros after every row and column."""
    count, channels, height, width = image.shape
    double = torch.zeros(count, channels, 2 * height, 2 * width)
    double[:, :, ::2, ::2] = image
    return double


def filtered(image: Tensor) -> Tensor:
    """Correlate every channel with the (symmetric) 4x4 filter, without padding."""
    kernel = FIR.expand(image.shape[1], 1, 4, 4)
    return F.conv2d(image, kernel, groups=image.shape[1])


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), channels=st.integers(1, 3))
def test_doubling_equals_zero_stuffing_and_filtering(
    height: int, width: int, channels: int
) -> None:
    image = numbers(2, channels, height, width)
    explicit = 4 * filtered(F.pad(stuffed(image), (2, 1, 2, 1)))
    torch.testing.assert_close(upsample(image), explicit, rtol=0, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(2, 9), width=st.integers(2, 9))
def test_halving_equals_filtering_and_every_second_pixel(height: int, width: int) -> None:
    image = numbers(2, 3, height, width)
    explicit = filtered(F.pad(image, (1, 1, 1, 1)))[:, :, ::2, ::2]
    torch.testing.assert_close(downsample(image), explicit, rtol=0, atol=1e-6)


def test_halving_is_the_transpose_of_doubling_but_for_the_gain() -> None:
    coarse, fine = numbers(1, 1, 5, 6), numbers(1, 1, 10, 12, seed=1)
    there, back = (upsample(coarse) * fine).sum(), (coarse * downsample(fine)).sum()
    torch.testing.assert_close(there, 4 * back, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("double", [False, True])
def test_modulated_convolution_equals_one_weight_a_sample(double: bool) -> None:
    size = 12 if double else 6
    layer = SynthesisLayer(5, 7, 4, (size, size), double=double)
    nn.init.constant_(layer.noise_strength, 0.3)
    nn.init.normal_(layer.bias)
    features, latent_w = numbers(3, 5, 6, 6), numbers(3, 4, seed=1)
    actual = layer(features, latent_w, layer.noise_const)

    style = latent_w @ layer.affine.weight.T / math.sqrt(4) + layer.affine.bias
    outputs = []
    for sample in range(3):
        weight = layer.weight * style[sample][None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if double:
            spread = F.pad(stuffed(features[sample : sample + 1]), (3, 2, 3, 2))
            outputs.append(filtered(F.conv2d(spread, weight.flip(2, 3))) * 4)
        else:
            outputs.append(F.conv2d(features[sample : sample + 1], weight, padding=1))
    total = torch.cat(outputs) + 0.3 * layer.noise_const + layer.bias[:, None, None]
    explicit = torch.where(total > 0, total, 0.2 * total) * math.sqrt(2)
    torch.testing.assert_close(actual, explicit, rtol=0, atol=1e-5)


def test_image_skip_is_modulated_but_not_demodulated() -> None:
    layer = ToImage(5, 3, 4)
    features, latent_w = numbers(2, 5, 4, 4), numbers(2, 4, seed=1)
    style = (latent_w @ layer.affine.weight.T / 2 + 1) / math.sqrt(5)
    explicit = torch.einsum("oi,ni,nihw->nohw", layer.weight[:, :, 0, 0], style, features)
    torch.testing.assert_close(layer(features, latent_w), explicit, rtol=0, atol=1e-5)


def test_minibatch_deviation_of_eight_samples_by_hand() -> None:
    features = torch.zeros(8, 2, 1, 1)
    # Samples 0, 2, 4, 6 share a group; so do 1, 3, 5, 7.
    features[0::2, 0, 0, 0] = torch.tensor([1.0, 3.0, 5.0, 7.0])  # variance 5
    features[1::2, 1, 0, 0] = torch.tensor([0.0, 0.0, 2.0, 2.0])  # variance 1
    channel = append_minibatch_deviation(features)[:, 2, 0, 0]
    even, odd = (math.sqrt(5) + 1e-4) / 2, (1 + 1e-4) / 2  # sqrt(0 + 1e-8) in the idle channel
    expected = torch.tensor([even, odd] * 4)
    torch.testing.assert_close(channel, expected, rtol=0, atol=1e-6)


def test_minibatch_deviation_of_equal_samples_is_nearly_zero() -> None:
    features = numbers(1, 3, 4, 4).expand(4, -1, -1, -1)
    appended = append_minibatch_deviation(features)
    assert torch.equal(appended[:, :3], features)
    assert appended[:, 3].abs().max() < 2e-4


@pytest.mark.parametrize("count", [3, 4, 6, 16])
def test_minibatch_deviation_of_each_part_is_that_of_the_part_alone(count: int) -> None:
    varied, alike = numbers(count, 3, 4, 4), numbers(1, 3, 4, 4).expand(count, -1, -1, -1)
    together = append_minibatch_deviation(torch.cat([varied, alike]), parts=2)
    apart = [append_minibatch_deviation(part) for part in (varied, alike)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=1e-6)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_equalised_rate_scales_weights_not_outputs(multiplier: float) -> None:
    layer = Dense(64, 512, multiplier=multiplier)
    nn.init.constant_(layer.bias, 3.0)
    values = numbers(16, 64)
    explicit = values @ (layer.weight * multiplier / 8).T + 3.0 * multiplier
    torch.testing.assert_close(layer(values), explicit, rtol=1e-4, atol=1e-5)
    assert layer.weight.std().item() == pytest.approx(1 / multiplier, rel=0.05)
    assert layer(values).std().item() == pytest.approx(1.0, rel=0.1)


def test_equalised_convolution_keeps_the_second_moment() -> None:
    layer = Convolution(32, 64, 3)
    assert layer.weight.std().item() == pytest.approx(1.0, rel=0.05)
    moment = layer(numbers(4, 32, 16, 16))[:, :, 1:-1, 1:-1].square().mean().item()
    assert moment == pytest.approx(1.04, rel=0.1)  # 2 * (1 + 0.2^2) / 2


def test_latents_of_any_length_map_alike() -> None:
    generator = Generator(TINY)
    latent_z = numbers(4, 8)
    assert_near(generator.mapping(latent_z), generator.mapping(10 * latent_z))


def test_truncation_moves_codes_towards_their_mean() -> None:
    generator = Generator(TINY)
    generator.mapping.w_avg.copy_(numbers(8, seed=1))
    latent_z = numbers(2, 8)
    mean, full = generator.mapping.w_avg, generator.mapping(latent_z)
    assert_near(generator.mapping(latent_z, 0.0), mean.expand_as(full))
    assert_near(generator.mapping(latent_z, 0.5), (mean + full) / 2)


# Gradients


def test_gradient_flows_to_every_parameter() -> None:
    generator, discriminator = Generator(TINY), Discriminator(TINY)
    image = generator(numbers(4, 8))
    assert image.shape == (4, 3, 16, 16)
    discriminator(image).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name
