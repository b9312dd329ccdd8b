"""Published generators: their tensors by name, and the size of a network out of their shapes.

The names are the official ones, which ours follow; `port_layout.py` has the other layout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xraysynth.errors import CheckpointError, SettingsError
from xraysynth.gan.allowlist import StoredTensor
from xraysynth.gan.config import MAX_LABELS, NetworkConfig
from xraysynth.gan.inert import Record
from xraysynth.gan.values import default_map
from xraysynth.settings import settings_from_mapping

Stored = dict[str, StoredTensor]
MAX_TENSORS = 20_000
MAX_DEPTH = 12
MAX_PARTS = 100_000
"""Modules and what they name, each as often as it is reached; published networks have hundreds."""
LEAST_BASE = 64
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


def _flatten(module: Any, prefix: str, depth: int, found: Stored, seen: int = 0) -> int:
    """Add a module's tensors, and those of the modules inside it; return the parts seen so far.

    A small file may hold one module in many places, so that visiting them never ends.
    """
    if depth > MAX_DEPTH or len(found) > MAX_TENSORS:
        raise CheckpointError("its modules are nested without end")
    if not isinstance(module, Record):
        raise CheckpointError("what should be a network is none")
    _check_layer(module, prefix)
    parameters, buffers, modules = (
        _group(module, group) for group in ("_parameters", "_buffers", "_modules")
    )
    seen += 1 + len(parameters) + len(buffers) + len(modules)
    if seen > MAX_PARTS:
        raise CheckpointError(
            f"its modules hold each other so often that they unfold to more than {MAX_PARTS} parts"
        )
    for name, value in _there(parameters | buffers):
        if not isinstance(value, StoredTensor):
            raise CheckpointError(f"{prefix}{name} is no tensor")
        found[f"{prefix}{name}"] = value
    for name, value in _there(modules):
        seen = _flatten(value, f"{prefix}{name}.", depth + 1, found, seen)
    return seen


def _group(module: Record, group: str) -> dict[Any, Any]:
    """Return the named things of one group of a module."""
    held = module.state.get(group, {})
    if not isinstance(held, dict) or len(held) > MAX_TENSORS:
        raise CheckpointError(f"{group} of a module is no dictionary")
    return held


def _there(held: dict[Any, Any]) -> list[tuple[str, Any]]:
    """Return the named things that are there, by names of a sane length."""
    return [(str(name)[:100], value) for name, value in held.items() if value is not None]


def _check_layer(module: Record, prefix: str) -> None:
    """Refuse layers whose weights would fit but mean something else here."""
    activation = module.state.get("activation", "lrelu")
    if activation not in ("lrelu", "linear"):
        # Nothing but a text is shown: tuples of shared tuples would be written out for ever.
        named = (
            f"the activation {activation[:20]}"
            if isinstance(activation, str)
            else "an activation without name"
        )
        raise CheckpointError(f"its layers use {named}; xraysynth knows lrelu alone")
    rate = module.state.get("bias_gain")
    is_mapping = re.fullmatch(r"mapping\.fc\d+\.", prefix) is not None
    if is_mapping and isinstance(rate, (int, float)) and not abs(rate - MAPPING_RATE) <= 1e-6:
        raise CheckpointError(
            f"its mapping network has a learning rate multiplier of {rate:g}; xraysynth knows "
            f"{MAPPING_RATE} alone"
        )


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
    image_channels = _shape(shapes, f"{last}.weight", 4)[0]
    sizes: dict[str, Any] = {
        "resolution": resolutions[-1],
        "image_channels": image_channels,
        "value_map": default_map(image_channels),
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
