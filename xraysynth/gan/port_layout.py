"""The `.pt` layout of the widespread PyTorch port, under our names.

It counts layers where ours names resolutions, and keeps axes of length one; no kernel is flipped.
"""

from __future__ import annotations

import re

from xraysynth.errors import CheckpointError
from xraysynth.gan.allowlist import StoredTensor
from xraysynth.gan.layouts import Stored


def from_port(tensors: Stored) -> dict[str, tuple[StoredTensor, tuple[int, ...]]]:
    """Return a generator of the `.pt` layout under our names, each with the shape it has here.

    The layout counts layers where ours names resolutions, and keeps axes of length one.
    """
    renamed = {_port_name(name): tensor for name, tensor in tensors.items()}
    return {name: (tensor, _port_shape(name, tensor.shape)) for name, tensor in renamed.items()}


_LAYER_PARTS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def _port_name(name: str) -> str:
    """Return our name of a tensor of the `.pt` layout."""
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
        ours = first.get(name) or _PORT_END.get(name)
        block = re.fullmatch(r"convs\.([1-9]\d?)\.(.+)", name)
        if ours is None and block and block[2] in _PORT_JUDGE:
            ours = f"b{resolution >> (int(block[1]) - 1)}.{_PORT_JUDGE[block[2]]}"
        if ours is None:
            raise CheckpointError(f"its tensor {name[:60]!r} belongs to no known discriminator")
        renamed[ours] = tensor
    return renamed
