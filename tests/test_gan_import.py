"""Published weights come in with the same pictures, and with all that their shapes say."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gan_files import TINY, put, tiny_pickle, tiny_weights, weights_of
from gan_pickles import as_torch_file, official_pickle, port_judge, port_state
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import discriminator_path, load_generator, load_tensors
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.foreign import import_generator
from xraysynth.gan.generator import Generator
from xraysynth.gan.layouts import network_config

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Tensor]:
    with np.load(shared / "reference" / "stylegan2_ada_tiny.npz") as arrays:
        kinds = {name: arrays[name] for name in arrays.files if arrays[name].dtype.kind == "f"}
        return {name: torch.from_numpy(array) for name, array in kinds.items()}


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def official(reference: dict[str, Tensor], path: Path, protocol: int) -> Path:
    data = official_pickle(part(reference, "G/"), part(reference, "D/"), protocol=protocol)
    return put(path, data)


def port(reference: dict[str, Tensor], path: Path, *, zipped: bool = True) -> Path:
    held = {
        "g_ema": OrderedDict(port_state(part(reference, "G/"))),
        "d": OrderedDict(port_judge(part(reference, "D/"), 32)),
        "latent_avg": reference["G/mapping.w_avg"],
        "g_optim": {"state": {0: {"step": 3}}, "param_groups": []},
    }
    return as_torch_file(held, path, zipped=zipped)


# Reference values


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda tensors, path: official(tensors, path, 4), id="official"),
        pytest.param(lambda tensors, path: official(tensors, path, 2), id="official-protocol-2"),
        pytest.param(port, id="pt"),
        pytest.param(lambda tensors, path: port(tensors, path, zipped=False), id="pt-older-form"),
    ],
)
def test_imported_network_draws_the_reference_images(
    reference: dict[str, Tensor], tmp_path: Path, write: Callable[[Any, Path], Path]
) -> None:
    out = tmp_path / "own.safetensors"
    found = import_generator(write(reference, tmp_path / "published"), out)
    generator = load_generator(out)
    assert found.discriminator and found.notes == ()
    close(generator.mapping(reference["z"], 0.7), reference["w_psi0.7"])
    close(generator(reference["z"]), reference["image_const_noise"])
    judge = Discriminator(found.config)
    partner = discriminator_path(out)
    assert partner is not None
    judge.load_state_dict(load_tensors(partner, "discriminator")[0])
    close(judge(reference["D_input"]), reference["D_logits"])


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.detach(), expected, rtol=0, atol=TOLERANCE)


def test_published_256_network_is_recognised(shared: Path) -> None:
    keys = json.loads((shared / "reference" / "stylegan2_ada_256_keys.json").read_text())
    shapes = {
        name: tuple(shape)
        for name, shape in keys["G"].items()
        if not name.endswith("resample_filter")
    }
    judge = {name: tuple(shape) for name, shape in keys["D"].items()}
    config = network_config(shapes, judge)
    assert (config.resolution, config.z_dim, config.w_dim, config.mapping_layers) == (
        *(256, 512, 512),
        8,
    )
    with torch.device("meta"):
        ours = Generator(config).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == shapes


@given(
    level=st.integers(3, 6),
    base=st.integers(64, 600),
    limit=st.integers(4, 64),
    judge_base=st.one_of(st.none(), st.integers(64, 600)),
)
@settings(max_examples=25)
def test_size_is_read_from_shapes(
    level: int, base: int, limit: int, judge_base: int | None
) -> None:
    config = NetworkConfig(
        resolution=2**level, channel_base=base, channel_max=limit, discriminator_base=judge_base
    )
    with torch.device("meta"):
        networks = Generator(config), Discriminator(config)
    shapes, judge = (
        {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        for network in networks
    )
    read = network_config(shapes, judge)
    assert [read.channels(size) for size in config.resolutions] == [
        config.channels(size) for size in config.resolutions
    ]
    if max(map(config.discriminator_channels, config.resolutions[1:])) == read.channel_max:
        with torch.device("meta"):
            again = Discriminator(read).state_dict()
        assert {name: tuple(tensor.shape) for name, tensor in again.items()} == judge


@pytest.mark.parametrize(
    "changes", [{"label_names": ("class 0", "class 1")}, {"base_grid": (4, 6)}]
)
def test_labels_and_sides_come_along(changes: dict[str, Any], tmp_path: Path) -> None:
    config = TINY.model_copy(update=changes)
    whole = Generator(config), Discriminator(config)
    data = official_pickle(weights_of(whole[0]), weights_of(whole[1]))
    out = tmp_path / "own.safetensors"
    found = import_generator(put(tmp_path / "a.pkl", data), out)
    assert found.discriminator
    assert (found.config.label_names, found.config.base_grid) == (
        config.label_names,
        config.base_grid,
    )
    codes = torch.randn(2, TINY.z_dim)
    labels = torch.eye(2) if config.label_names else None
    close(load_generator(out)(codes, labels=labels), whole[0](codes, labels=labels).detach())


def test_own_file_is_checked_and_copied(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    import_generator(put(tmp_path / "a.pkl", tiny_pickle()), first)
    import_generator(first, second)
    assert first.read_bytes() == second.read_bytes()


def test_absent_mean_is_taken_of_many_codes(tmp_path: Path) -> None:
    source = as_torch_file({"g_ema": port_state(tiny_weights())}, tmp_path / "a.pt")
    found = import_generator(source, tmp_path / "own.safetensors")
    generator = load_generator(tmp_path / "own.safetensors")
    codes = torch.randn(4096, TINY.z_dim, generator=torch.Generator().manual_seed(1))
    expected = generator.mapping.single(codes)
    assert "mean of w" in found.notes[0]
    torch.testing.assert_close(
        generator.mapping.w_avg, expected.mean(0), rtol=0, atol=float(expected.std()) / 10
    )


def test_channels_last_weights_keep_their_order(tmp_path: Path) -> None:
    turned = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in tiny_weights().items()
    }
    data = official_pickle(turned, {})
    import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    state = load_generator(tmp_path / "own.safetensors").state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tiny_weights().items())


def test_misfit_discriminator_is_left_out_with_a_note(tmp_path: Path) -> None:
    data = official_pickle(tiny_weights(), {"b16.conv0.weight": torch.zeros(8, 8, 3, 3)})
    found = import_generator(put(tmp_path / "a.pkl", data), tmp_path / "own.safetensors")
    assert not found.discriminator
    assert "left out" in found.notes[0]


def test_own_file_is_not_overwritten(tmp_path: Path) -> None:
    file = put(tmp_path / "a.pkl", tiny_pickle())
    with pytest.raises(InputError, match="another name"):
        import_generator(file, file)
    assert file.read_bytes() == tiny_pickle()


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        import_generator(tmp_path / "none.pkl", tmp_path / "own.safetensors")
