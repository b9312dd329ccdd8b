"""Pickles in the official form, and hostile ones, written with Python's own pickle.

The official classes carry the source text of their module, and their reconstruct function
executes it. Here that text leaves a file behind, so that a test sees whether it ran.
"""

from __future__ import annotations

import os
import pickle  # noqa: TID251 (writes what the reader under test must not run)
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Persistent(nn.Module):
    """A module that is written as the official ones are: attributes and source text."""

    source = ""
    kind = ""

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.source,
            "class_name": self.kind,
            "state": dict(self.__dict__),
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class Easy(dict[str, Any]):
    """A dictionary of a foreign class."""


@contextmanager
def official_modules() -> Iterator[None]:
    """Make the names of the official modules known to Python while pickles are written."""
    modules = {}
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        modules[name] = types.ModuleType(name)

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
        exec(meta["module_src"], {})
        return meta

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    modules["torch_utils.persistence"].__dict__["_reconstruct_persistent_obj"] = (
        _reconstruct_persistent_obj
    )
    Easy.__module__, Easy.__qualname__, Easy.__name__ = "dnnlib.util", "EasyDict", "EasyDict"
    modules["dnnlib.util"].__dict__["EasyDict"] = Easy
    missing = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


def module_of(tensors: dict[str, Tensor], kind: str, source: str) -> Persistent:
    """Return nested modules that hold tensors under their full names."""
    top = Persistent()
    top.kind, top.source = kind, source
    for name, tensor in tensors.items():
        *parts, last = name.split(".")
        module: nn.Module = top
        for part in parts:
            if part not in module._modules:
                child = Persistent()
                child.kind, child.source = "Layer", source
                module.add_module(part, child)
            module = module.get_submodule(part)
        if last in ("resample_filter", "noise_const", "w_avg"):
            module.register_buffer(last, tensor)
        else:
            module.register_parameter(last, nn.Parameter(tensor, tensor.is_floating_point()))
        # As the official layers do: a numpy number and a text.
        module.__dict__["weight_gain"] = 1 / np.sqrt(7)
        module.__dict__["activation"] = "lrelu"
    return top


def official_pickle(
    generator: dict[str, Tensor],
    discriminator: dict[str, Tensor],
    source: str = "",
    protocol: int = 4,
) -> bytes:
    """Return the bytes of a snapshot in the official form."""
    with official_modules():
        easy = Easy()
        easy["class_name"] = "training.dataset.ImageFolderDataset"
        snapshot = {
            "G": module_of(generator, "Generator", source),
            "D": module_of(discriminator, "Discriminator", source),
            "G_ema": module_of(generator, "Generator", source),
            "augment_pipe": None,
            "training_set_kwargs": easy,
        }
        return pickle.dumps(snapshot, protocol=protocol)


def port_state(generator: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a generator under the names, and with the axes, of the `.pt` layout."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in generator.items():
        if name.startswith("mapping.fc"):
            renamed[f"style.{int(name[10]) + 1}.{name.rpartition('.')[2]}"] = tensor
        elif name.startswith("synthesis.b"):
            _, block, *rest = name.split(".")
            _port_tensor(renamed, int(block[1:]), rest, tensor)
    return renamed


def _port_tensor(
    renamed: dict[str, Tensor], resolution: int, rest: list[str], tensor: Tensor
) -> None:
    """Add one tensor of a block."""
    level, part = resolution.bit_length() - 3, ".".join(rest[1:])
    if rest == ["const"]:
        renamed["input.input"] = tensor[None]
        return
    if rest[0] == "torgb":
        prefix = "to_rgb1" if level == 0 else f"to_rgbs.{level - 1}"
        index, bias = -1, ("bias", tensor.reshape(1, -1, 1, 1))
    else:
        index = 0 if level == 0 else 2 * level - 1 + int(rest[0][-1:] == "1")
        prefix = "conv1" if level == 0 else f"convs.{index - 1}"
        bias = "activate.bias", tensor
    names = {
        "noise_strength": (f"{prefix}.noise.weight", tensor.reshape(-1)),
        "weight": (f"{prefix}.conv.weight", tensor[None]),
        "affine.weight": (f"{prefix}.conv.modulation.weight", tensor),
        "affine.bias": (f"{prefix}.conv.modulation.bias", tensor),
        "bias": (f"{prefix}.{bias[0]}", bias[1]),
        "noise_const": (f"noises.noise_{index}", tensor[None, None]),
    }
    if part in names:
        renamed[names[part][0]] = names[part][1]


def port_judge(discriminator: dict[str, Tensor], resolution: int) -> dict[str, Tensor]:
    """Return a discriminator under the names of the `.pt` layout."""
    parts = {
        "conv0.weight": "conv1.0.weight",
        "conv0.bias": "conv1.1.bias",
        "conv1.weight": "conv2.1.weight",
        "conv1.bias": "conv2.2.bias",
        "skip.weight": "skip.1.weight",
    }
    ends = {"conv.weight": "final_conv.0.weight", "conv.bias": "final_conv.1.bias"}
    for layer, number in (("fc", 0), ("out", 1)):
        for kind in ("weight", "bias"):
            ends[f"{layer}.{kind}"] = f"final_linear.{number}.{kind}"
    renamed = {}
    for name, tensor in discriminator.items():
        block, _, part = name.partition(".")
        index = resolution.bit_length() - int(block[1:]).bit_length() + 1
        if part.endswith("resample_filter"):
            continue
        if part.startswith("fromrgb"):
            renamed[f"convs.0.{'0.weight' if part.endswith('weight') else '1.bias'}"] = tensor
        elif block == "b4":
            renamed[ends[part]] = tensor
        else:
            renamed[f"convs.{index}.{parts[part]}"] = tensor
    return renamed


class Bomb:
    """An object whose ordinary loading makes a file."""

    def __init__(self, mark: Path, how: str = "system") -> None:
        self.mark, self.how = mark, how

    def __reduce__(self) -> tuple[Any, ...]:
        command = f"open({str(self.mark)!r}, 'w').close()"
        if self.how == "system":
            return os.system, (f"touch {self.mark}",)
        if self.how == "eval":
            return eval, (command,)
        return getattr, (Path(self.mark), "touch")


def dumped(value: Any, protocol: int = 4) -> bytes:
    """Return a pickle."""
    return pickle.dumps(value, protocol=protocol)


def load_ordinarily(data: bytes) -> Any:
    """Load a pickle as other programs do, code and all."""
    with official_modules():
        return pickle.loads(data)


def as_torch_file(value: Any, path: Path, *, zipped: bool = True) -> Path:
    """Write a file of `torch.save`."""
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path
