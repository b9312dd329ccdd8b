"""Names and shapes of published generators, turned into ours; the numbers stay as they are.

Two layouts: the official one, whose names ours follow, and the `.pt` one of the widespread
PyTorch port, which differs by names and by axes of length one. The size of a network is read from
the shapes of its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xraysynth.errors import CheckpointError, SettingsError
from xraysynth.gan.allowlist import StoredTensor
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.pickle_machine import Record
from xraysynth.settings import settings_from_mapping

Stored = dict[str, StoredTensor]
MAX_TENSORS = 20_000
MAX_DEPTH = 12
LEAST_BASE = 64
MAX_LABELS = 1000
MAPPING_RATE = 0.01
"""The mapping network's multiplier of the learning rate, which scales its stored weights."""


def flatten(network: Any) -> Stored:
    """Return the tensors of a network by their full names.

    Parameters
    ----------
    network : a record with `_parameters`, `_buffers` and `_modules`, or a state dict

    Raises
    ------
    CheckpointError
        If it is neither, or a layer works otherwise than StyleGAN2's.
    """
    found: Stored = {}
    if isinstance(network, dict):
        tensors = {name: value for name, value in network.items() if value is not None}
        if not all(isinstance(value, StoredTensor) for value in tensors.values()):
            raise CheckpointError("what should be weights holds something else than tensors")
        return {str(name): value for name, value in tensors.items()}
    _flatten(network, "", 0, found)
    return found


def _flatten(module: Any, prefix: str, depth: int, found: Stored) -> None:
    """Add a module's tensors, and those of the modules inside it."""
    if depth > MAX_DEPTH or len(found) > MAX_TENSORS:
        raise CheckpointError("its modules are nested without end")
    if not isinstance(module, Record):
        raise CheckpointError("what should be a network is none")
    _check_layer(module, prefix)
    for group in ("_parameters", "_buffers"):
        for name, value in _entries(module, group):
            if not isinstance(value, StoredTensor):
                raise CheckpointError(f"{prefix}{name} is no tensor")
            found[f"{prefix}{name}"] = value
    for name, value in _entries(module, "_modules"):
        _flatten(value, f"{prefix}{name}.", depth + 1, found)


def _entries(module: Record, group: str) -> list[tuple[str, Any]]:
    """Return the named things of one group of a module that are there."""
    held = module.state.get(group, {})
    if not isinstance(held, dict) or len(held) > MAX_TENSORS:
        raise CheckpointError(f"{group} of a module is no dictionary")
    return [(str(name)[:100], value) for name, value in held.items() if value is not None]


def _check_layer(module: Record, prefix: str) -> None:
    """Refuse layers whose weights would fit but mean something else here."""
    activation = module.state.get("activation", "lrelu")
    if activation not in ("lrelu", "linear"):
        raise CheckpointError(
            f"its layers use the activation {str(activation)[:20]}; xraysynth knows lrelu alone"
        )
    rate = module.state.get("bias_gain")
    is_mapping = re.fullmatch(r"mapping\.fc\d+\.", prefix) is not None
    if is_mapping and isinstance(rate, (int, float)) and abs(rate - MAPPING_RATE) > 1e-6:
        raise CheckpointError(
            f"its mapping network has a learning rate multiplier of {rate:g}; xraysynth knows "
            f"{MAPPING_RATE} alone"
        )


def from_port(tensors: Stored) -> dict[str, tuple[StoredTensor, tuple[int, ...]]]:
    """Return a generator of the `.pt` layout under our names, each with the shape it has here.

    The layout counts layers where ours names resolutions, and keeps axes of length one.
    """
    renamed: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        ours = _port_name(name)
        if ours is not None:
            renamed[ours] = tensor
    return {name: (tensor, _port_shape(name, tensor.shape)) for name, tensor in renamed.items()}


_LAYER_PARTS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _port_name(name: str) -> str | None:
    """Return our name of a tensor of the `.pt` layout; None for constant filters."""
    if name.endswith(".kernel"):
        return None
    if name == "input.input":
        return "synthesis.b4.const"
    if style := re.fullmatch(r"style\.([1-9]\d?)\.(weight|bias)", name):
        return f"mapping.fc{int(style[1]) - 1}.{style[2]}"
    if noise := re.fullmatch(r"noises\.noise_(\d\d?)", name):
        return f"synthesis.{_layer(int(noise[1]))}.noise_const"
    if match := re.fullmatch(r"(conv1|to_rgb1|convs\.\d\d?|to_rgbs\.\d\d?)\.(.+)", name):
        part = _LAYER_PARTS.get(match[2])
        if part is not None:
            return f"synthesis.{_port_layer(match[1])}.{part}"
    raise CheckpointError(f"its tensor {name[:60]!r} belongs to no StyleGAN2 generator")


def _port_layer(text: str) -> str:
    """Return our name of a layer of the `.pt` layout."""
    kind, _, number = text.partition(".")
    if kind == "conv1":
        return _layer(0)
    if kind == "to_rgb1":
        return "b4.torgb"
    if kind == "convs":
        return _layer(int(number) + 1)
    return f"b{8 << int(number)}.torgb"


def _layer(index: int) -> str:
    """Return the name of a 3x3 convolution by its place: one at 4x4, two at each size after."""
    if index == 0:
        return "b4.conv1"
    return f"b{8 << ((index - 1) // 2)}.conv{(index - 1) % 2}"


def _port_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of length one that our tensors lack."""
    part = name.rpartition(".")[2]
    if part == "noise_strength":
        return () if shape == (1,) else shape
    if part == "noise_const":
        return shape[2:] if shape[:2] == (1, 1) else shape
    if part == "const" or (part == "weight" and len(shape) == 5):
        return shape[1:] if shape[:1] == (1,) else shape
    if part == "bias" and len(shape) == 4:
        return shape[1:2] if shape[0] == shape[2] == shape[3] == 1 else shape
    return shape


_PORT_JUDGE = {
    "conv1.0.weight": "conv0.weight",
    "conv1.1.bias": "conv0.bias",
    "conv2.1.weight": "conv1.weight",
    "conv2.2.bias": "conv1.bias",
    "skip.1.weight": "skip.weight",
}
_PORT_END = {
    "final_conv.0.weight": "b4.conv.weight",
    "final_conv.1.bias": "b4.conv.bias",
    "final_linear.0.weight": "b4.fc.weight",
    "final_linear.0.bias": "b4.fc.bias",
    "final_linear.1.weight": "b4.out.weight",
    "final_linear.1.bias": "b4.out.bias",
}


def judge_from_port(tensors: Stored, resolution: int) -> Stored:
    """Return a discriminator of the `.pt` layout under our names."""
    first = {
        "convs.0.0.weight": f"b{resolution}.fromrgb.weight",
        "convs.0.1.bias": f"b{resolution}.fromrgb.bias",
    }
    renamed: Stored = {}
    for name, tensor in tensors.items():
        if name.endswith(".kernel"):
            continue
        ours = first.get(name) or _PORT_END.get(name)
        block = re.fullmatch(r"convs\.([1-9]\d?)\.(.+)", name)
        if ours is None and block and block[2] in _PORT_JUDGE:
            ours = f"b{resolution >> (int(block[1]) - 1)}.{_PORT_JUDGE[block[2]]}"
        if ours is None:
            raise CheckpointError(f"its tensor {name[:60]!r} belongs to no known discriminator")
        renamed[ours] = tensor
    return renamed


def network_config(
    shapes: Mapping[str, tuple[int, ...]], judge: Mapping[str, tuple[int, ...]] | None = None
) -> NetworkConfig:
    """Read the size of a generator, and of its discriminator, from shapes under our names.

    Raises
    ------
    CheckpointError
        If it is no StyleGAN2 generator with image skips.

    Examples
    --------
    >>> from xraysynth.gan.generator import Generator
    >>> small = NetworkConfig(resolution=16, channel_base=256, channel_max=24)
    >>> shapes = {name: tuple(t.shape) for name, t in Generator(small).state_dict().items()}
    >>> read = network_config(shapes)
    >>> read.resolution, read.channels(16), read.channels(4)
    (16, 16, 24)
    """
    _check_family(shapes)
    resolutions = _resolutions(shapes)
    layers = sorted(name for name in shapes if re.fullmatch(r"mapping\.fc\d+\.weight", name))
    first, last = _shape(shapes, "mapping.fc0.weight", 2), f"synthesis.b{resolutions[-1]}.torgb"
    channels = {
        size: _shape(shapes, f"synthesis.b{size}.conv1.weight", 4)[0] for size in resolutions
    }
    limit = max(channels.values())
    n_labels = _labels(shapes, first)
    sizes: dict[str, Any] = {
        "resolution": resolutions[-1],
        "image_channels": _shape(shapes, f"{last}.weight", 4)[0],
        "base_grid": _shape(shapes, "synthesis.b4.const", 3)[1:],
        "label_names": tuple(f"class {index}" for index in range(n_labels)),
        "z_dim": first[1] - (first[0] if n_labels else 0),
        "w_dim": first[0],
        "mapping_layers": len(layers),
        "channel_base": _channel_base(channels, limit),
        "channel_max": limit,
    }
    if judge is not None and (base := _judge_base(judge, resolutions, limit)):
        sizes["discriminator_base"] = base if base != sizes["channel_base"] else None
    try:
        return settings_from_mapping(NetworkConfig, sizes, "its network")
    except SettingsError as error:
        raise CheckpointError(str(error).rstrip(".")) from None


def _labels(shapes: Mapping[str, tuple[int, ...]], first: tuple[int, ...]) -> int:
    """Return how many classes a generator is conditioned on, 0 for none."""
    if "mapping.embed.weight" not in shapes:
        return 0
    width, count = _shape(shapes, "mapping.embed.weight", 2)
    if width != first[0] or not 0 < count <= MAX_LABELS:
        raise CheckpointError(
            f"its generator is conditioned on {count} classes by codes of {width} values; want at "
            f"most {MAX_LABELS} classes, by {first[0]} values as in its mapped codes"
        )
    return count


def _check_family(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Name the relatives of StyleGAN2-ADA whose weights are of another network."""
    if any(name.startswith(("synthesis.input.", "synthesis.L0_")) for name in shapes):
        raise CheckpointError("it is a StyleGAN3 generator; want StyleGAN2 or StyleGAN2-ADA")
    if any(re.fullmatch(r"synthesis\.b\d+\.skip\.weight", name) for name in shapes):
        raise CheckpointError("its generator is a residual one; want the one with image skips")
    if not any(name.startswith("synthesis.b4.") for name in shapes):
        raise CheckpointError("it holds no StyleGAN2 generator")


def _resolutions(shapes: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Return 4, 8, ... as far as blocks go."""
    pattern = re.compile(r"synthesis\.b(\d{1,5})\.")
    found = sorted({int(match[1]) for name in shapes if (match := pattern.match(name))})
    if found != [4 << index for index in range(len(found))] or len(found) < 2:
        raise CheckpointError(f"its blocks are of the sizes {found[:12]}; want 4, 8, 16 and so on")
    if f"synthesis.b{found[0]}.torgb.weight" not in shapes:
        raise CheckpointError("its generator has no image skips; want one that has")
    return found


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str, axes: int) -> tuple[int, ...]:
    """Return the shape of a tensor that must be there."""
    shape = shapes.get(name)
    if shape is None or len(shape) != axes:
        raise CheckpointError(f"its tensor {name} is {shape or 'absent'}; want {axes} axes")
    return shape


def _channel_base(channels: Mapping[int, int], limit: int) -> int:
    """Return the base for which min(base // size, limit) gives every number of channels."""
    base = max(LEAST_BASE, *(count * size for size, count in channels.items()))
    if any(min(base // size, limit) != count for size, count in channels.items()):
        raise CheckpointError(
            f"its channels {list(channels.values())} follow no rule min(base / size, maximum)"
        )
    return base


def _judge_base(
    judge: Mapping[str, tuple[int, ...]], resolutions: list[int], limit: int
) -> int | None:
    """Return the discriminator's own base, or None if it is built otherwise than ours."""
    counts: dict[int, int] = {}
    for size in resolutions[1:]:
        shape = judge.get(f"b{size}.conv0.weight", ())
        counts[size] = shape[0] if len(shape) == 4 else 0
    try:
        return _channel_base(counts, limit)
    except CheckpointError:
        return None
