"""Generators that other programs trained, as ours: nothing in their files is run.

Official pickles of StyleGAN2-ADA (PyTorch), the `.pt` layout with `g_ema`, and our own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xraysynth.errors import CheckpointError, InputError
from xraysynth.files import sha256_file
from xraysynth.gan.allowlist import Storage, StoredTensor, read_all
from xraysynth.gan.checkpoint import (
    check_regular,
    discriminator_path,
    load_discriminator,
    load_generator,
    load_tensors,
    partner_path,
    save_discriminator,
    save_generator,
)
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import TOLD, Discriminator
from xraysynth.gan.filters import without_filters
from xraysynth.gan.generator import Generator
from xraysynth.gan.inert import Record
from xraysynth.gan.layouts import Stored, flatten, network_config
from xraysynth.gan.port_layout import from_port, judge_from_port
from xraysynth.gan.sizes import check_shapes, check_size, discriminator_numbers, generator_numbers
from xraysynth.gan.torchfile import open_checkpoint
from xraysynth.randomness import stream

Placed = dict[str, tuple[StoredTensor, tuple[int, ...]]]
"""Stored tensors under our names, each with the shape it has here."""

_OFFICIAL_FILTER = "resample_filter"
FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
MEAN_OF = 16_384
"""Codes that the mean of w is taken of, where a file has none."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was found in a file."""

    config: NetworkConfig
    """Size of the network."""
    layout: str
    """In which form it was stored."""
    discriminator: bool
    """Whether its discriminator came with it, for fine-tuning."""
    notes: tuple[str, ...]
    """What a user should know, as sentences."""


def import_generator(path: Path, out: Path) -> Imported:
    """Read a published generator and write it as `out`, its discriminator beside it.

    Parameters
    ----------
    path : an official `.pkl`, a `.pt` with `g_ema`, or a `.safetensors` of xraysynth; the name's
        ending does not matter
    out : the .safetensors file to write

    Raises
    ------
    InputError
        If there is no such file.
    CheckpointError
        If it asks for code, holds another network, or values that are not finite.
    DamagedError
        If it is cut short.
    """
    path, out = Path(path), Path(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise InputError(f"{out} is the file to read; choose another name for --out.")
    if _is_safetensors(path):
        return _copy(path, out)
    with open_checkpoint(path) as held:
        layout, generator, judge, notes = _networks(held)
    facts = {"imported": {"file": path.name, "layout": layout, "sha256": sha256_file(path)}}
    _write(out, generator, judge, facts)
    return Imported(
        config=generator.config,
        layout=layout,
        discriminator=judge is not None,
        notes=tuple(notes),
    )


def _write(
    out: Path, generator: Generator, judge: Discriminator | None, facts: dict[str, Any] | None
) -> None:
    """Write a generator and its discriminator; the one of an earlier import goes first.

    A run that is killed in between then leaves none, rather than one of another network.
    """
    partner_path(out).unlink(missing_ok=True)
    save_generator(out, generator, facts)
    if judge is not None:
        save_discriminator(out, judge)


def _is_safetensors(path: Path) -> bool:
    """Return whether a file begins like safetensors: a length, then a JSON mapping."""
    check_regular(path, "a file with weights")
    with path.open("rb") as file:
        head = file.read(9)
    # The length may begin like a pickle or a zip archive; that of those would be beyond the file.
    fits = 8 + int.from_bytes(head[:8], "little") <= path.stat().st_size
    return head[8:] == b"{" and (fits or not head.startswith((b"PK", b"\x80")))


def _copy(path: Path, out: Path) -> Imported:
    """Check one of our own files and write it again."""
    generator = load_generator(path)
    _, metadata = load_tensors(path, "generator")
    judge, partner, notes = None, discriminator_path(path), []
    if partner is not None:
        tensors = load_discriminator(partner)
        try:
            judge = _filled_judge(generator.config, tensors)
        except CheckpointError as error:
            notes.append(f"the discriminator in {partner} was left out: {error}")
    _write(out, generator, judge, metadata.get("facts"))
    return Imported(
        config=generator.config,
        layout="xraysynth",
        discriminator=judge is not None,
        notes=tuple(notes),
    )


def _networks(held: Any) -> tuple[str, Generator, Discriminator | None, list[str]]:
    """Return layout, generator, discriminator if there is one that fits, and notes."""
    found = held.state if isinstance(held, Record) else held
    if not isinstance(found, dict):
        raise CheckpointError(f"it holds {_what(held)}; want a dictionary with G_ema or g_ema")
    for names, read in ((("G_ema", "G"), _official), (("g_ema", "g"), _port)):
        name = next((name for name in names if found.get(name) is not None), None)
        if name is not None:
            layout, generator, judge, notes = read(found, found[name])
            if generator.config.label_names:
                notes.append(
                    "its classes have no names in the file; ask for them as 'class 0' and so on"
                )
            if name in ("G", "g"):
                notes.append("it has no averaged weights; took those of the last training step")
            return layout, generator, judge, notes
    if isinstance(found.get("synthesis.b4.const"), StoredTensor):
        return _official({}, found)
    if isinstance(found.get("input.input"), StoredTensor):
        return _port({}, found)
    held_names = ", ".join(str(name)[:30] for name in list(found)[:6])
    raise CheckpointError(f"it holds {held_names or 'nothing'}; want G_ema or g_ema")


def _what(held: Any) -> str:
    """Return what a value is, for people."""
    if isinstance(held, (list, tuple)):
        return f"a list of {len(held)}"
    return {"int": "a number", "str": "a text"}.get(type(held).__name__, "something else")


def _official(
    found: dict[Any, Any], network: Any
) -> tuple[str, Generator, Discriminator | None, list[str]]:
    """Read networks under their official names, which are ours."""
    placed = _place(without_filters(flatten(network), _OFFICIAL_FILTER))
    judge, notes = {}, []
    if found.get("D") is not None:
        try:
            judge = _place(without_filters(flatten(found["D"]), _OFFICIAL_FILTER))
        except CheckpointError as error:
            notes.append(f"the discriminator was left out: {error}")
    config = network_config(_shapes(placed), _shapes(judge))
    generator = _filled(config, placed)
    return "StyleGAN2-ADA", generator, _judge(config, judge, notes), notes


def _port(
    found: dict[Any, Any], network: Any
) -> tuple[str, Generator, Discriminator | None, list[str]]:
    """Read networks of the `.pt` layout."""
    placed, notes = from_port(_without_kernels(network)), []
    mean = found.get("latent_avg")
    if isinstance(mean, StoredTensor):
        placed["mapping.w_avg"] = (mean, mean.shape)
    size = network_config(_shapes(placed)).resolution
    judge: Placed = {}
    if found.get("d") is not None:
        try:
            judge = _place(judge_from_port(_without_kernels(found["d"]), size))
        except CheckpointError as error:
            notes.append(f"the discriminator was left out: {error}")
    config = network_config(_shapes(placed), _shapes(judge))
    if "mapping.w_avg" in placed:
        generator = _filled(config, placed)
    else:
        generator = _with_mean(config, placed)
        notes.append(f"it has no mean of w; took that of {MEAN_OF} codes")
    return "pt (g_ema)", generator, _judge(config, judge, notes), notes


def _without_kernels(network: Any) -> Stored:
    """Return the tensors of a network of the `.pt` layout without filters, which it scales."""
    return without_filters(flatten(network), ".kernel", any_gain=True)


def _place(tensors: Stored) -> Placed:
    """Return tensors that keep their shapes."""
    return {name: (tensor, tensor.shape) for name, tensor in tensors.items()}


def _shapes(placed: Placed) -> dict[str, tuple[int, ...]]:
    """Return the shapes by name."""
    return {name: shape for name, (_, shape) in placed.items()}


def _filled(config: NetworkConfig, placed: Placed) -> Generator:
    """Return a generator with these weights."""
    check_size(generator_numbers(config), _shapes(placed))
    with torch.random.fork_rng(devices=[]):
        network = Generator(config)
    network.load_state_dict(_read(network, placed))
    return network.eval().requires_grad_(False)


def _filled_judge(config: NetworkConfig, tensors: dict[str, Tensor]) -> Discriminator:
    """Return a discriminator with these weights.

    It may know no clutter where the generator does: training with a `clutter_weight` of 0 tells it
    of none.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes.get(TOLD, (0, 0))[1:] == (len(config.label_names),):
        config = config.model_copy(update={"clutter": ()})
    network = _new_judge(config, shapes)
    check_shapes(network, shapes)
    network.load_state_dict(tensors)
    return network


def _new_judge(config: NetworkConfig, shapes: Mapping[str, tuple[int, ...]]) -> Discriminator:
    """Return a discriminator for tensors of these shapes; the global generator is as before."""
    check_size(discriminator_numbers(config), shapes)
    with torch.random.fork_rng(devices=[]):
        return Discriminator(config)


def _judge(config: NetworkConfig, placed: Placed, notes: list[str]) -> Discriminator | None:
    """Return the discriminator, or None with a note if it is built otherwise than ours."""
    if not placed:
        return None
    try:
        network = _new_judge(config, _shapes(placed))
        network.load_state_dict(_read(network, placed))
    except CheckpointError as error:
        notes.append(f"the discriminator was left out: {error}")
        return None
    return network


def _with_mean(config: NetworkConfig, placed: Placed) -> Generator:
    """Return a generator whose mean of w is taken of many codes."""
    numbers = Storage(torch.float32, config.w_dim, lambda: bytes(4 * config.w_dim))
    zeros = StoredTensor(numbers, 0, (config.w_dim,), (1,))
    generator = _filled(config, {**placed, "mapping.w_avg": (zeros, (config.w_dim,))})
    codes = stream(0, "mean of w").standard_normal((MEAN_OF, config.z_dim)).astype(np.float32)
    mean = generator.mapping.single(torch.from_numpy(codes)).mean(dim=0)
    generator.mapping.w_avg.copy_(mean)
    return generator


def _read(network: nn.Module, placed: Placed) -> dict[str, Tensor]:
    """Return the tensors of a network in memory, after checking their shapes and kinds."""
    check_shapes(network, _shapes(placed))
    for name, (stored, _) in placed.items():
        if stored.dtype not in FLOATS:
            raise CheckpointError(f"its tensor {name} holds {stored.dtype}; want floating point")
    read: dict[str, Tensor] = {}
    for name, tensor in read_all({name: stored for name, (stored, _) in placed.items()}):
        read[name] = tensor.float().reshape(placed[name][1])
        if not bool(torch.isfinite(read[name]).all()):
            raise CheckpointError(f"its tensor {name} holds values that are not finite")
    return read
