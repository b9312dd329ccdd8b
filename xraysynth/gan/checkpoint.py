"""Weights on disk: safetensors with one JSON text beside them. Nothing in a file can run.

All metadata stands under one key, because the order of several is not fixed and equal
weights should give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from xraysynth.errors import CheckpointError, DamagedError, InputError
from xraysynth.files import whole_file
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.generator import Generator
from xraysynth.gan.sizes import check_shapes, check_size, generator_numbers
from xraysynth.settings import nearest, settings_from_mapping

_KEY = "xraysynth"
_PARTNER = "-discriminator.safetensors"
_NAMES = ("bundled-64", "bundled-128")
_BUNDLED = {"bundled": "bundled-64"} | {name: name for name in _NAMES}


_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
}
"""Numbers that every machine has; safetensors knows of more, which few programs can read."""
_UNREADABLE = (
    *(safetensors.SafetensorError, OSError, ValueError),
    *(RecursionError, MemoryError),  # JSON nested without end, a header that claims everything
)
_REMEDIES = {
    "generator": "Copy it again; for published pickles use `xraysynth import-gan`.",
    "training": "Delete it to start the training anew.",
}


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write tensors and JSON metadata; the file appears only when whole."""
    text = json.dumps(metadata, sort_keys=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as partial:
        # Not `save_file`: its errors hide a full disk, and its files belong to the owner alone.
        partial.write_bytes(safetensors.torch.save(plain, metadata={_KEY: text}))


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and metadata that `save_tensors` wrote.

    Parameters
    ----------
    path : a .safetensors file
    kind : what the metadata's "kind" must be, such as "generator"

    Raises
    ------
    InputError
        If there is no such file, or it may not be read.
    DamagedError
        If it is truncated, not safetensors, or does not match the hash in its metadata.
    CheckpointError
        If it holds something else than `kind`, or numbers of an exotic type.
    """
    path = Path(path)
    check_regular(path, f"a .safetensors file with a {kind}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except _UNREADABLE as error:
        raise DamagedError(
            f"{path} is not a readable safetensors file ({str(error)[:120]}); it is truncated or "
            f"something else. {_REMEDIES.get(kind, 'Make it again.')}"
        ) from error
    found = metadata.get("kind") if isinstance(metadata, dict) else None
    if found != kind:
        named = found[:40] if isinstance(found, str) else ""
        what = f"a {named}" if named else "weights of an unknown program"
        raise CheckpointError(f"{path} holds {what}; want a {kind} that xraysynth wrote.")
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            raise CheckpointError(
                f"{path}: tensor {name[:80]} holds {tensor.dtype}; want plain floating point or "
                "whole numbers. Make the file again."
            )
    if metadata.get("hash") and metadata["hash"] != tensors_hash(tensors):
        raise DamagedError(
            f"{path}: the weights do not match their hash; copy or make the file again."
        )
    return tensors, metadata


def check_regular(path: Path, want: str) -> None:
    """Raise an InputError unless there is a regular file to read; a pipe may never end."""
    try:
        if path.is_file():
            path.open("rb").close()
            return
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); want {want} that may be read."
        ) from error
    trouble = "is no regular file" if path.exists() else "does not exist"
    raise InputError(f"{path} {'is a folder' if path.is_dir() else trouble}; want {want}.")


def check_hashed(metadata: dict[str, Any], path: Path) -> None:
    """Raise a DamagedError if a file has lost the hash that `load_tensors` would have compared."""
    if not metadata.get("hash"):
        raise DamagedError(f"{path}: the weights have no hash; copy or make the file again.")


def save_generator(
    path: Path, generator: Generator, facts: dict[str, Any] | None = None, *, half: bool = False
) -> None:
    """Write a generator with its config, hash and facts about its training."""
    tensors: dict[str, Tensor] = dict(generator.state_dict())
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    metadata = {
        "kind": "generator",
        "config": generator.config.model_dump(mode="json"),
        "hash": tensors_hash(tensors),
        "facts": facts or {},
    }
    metadata["facts_hash"] = _facts_hash(metadata)
    save_tensors(path, tensors, metadata)


def save_discriminator(path: Path, discriminator: Discriminator, *, half: bool = False) -> None:
    """Write the discriminator beside the checkpoint `path` of its generator, for fine-tuning."""
    tensors: dict[str, Tensor] = dict(discriminator.state_dict())
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    save_tensors(
        partner_path(path), tensors, {"kind": "discriminator", "hash": tensors_hash(tensors)}
    )


def load_generator(name: str | Path) -> Generator:
    """Return a generator in evaluation mode, from a file or one that ships ("bundled").

    Raises
    ------
    CheckpointError
        If the weights do not fit the config beside them.
    DamagedError
        If they do not match their hash.
    """
    path = generator_path(name)
    tensors, metadata = load_tensors(path, "generator")
    config = _config(metadata, path)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        check_size(generator_numbers(config), shapes)
        with torch.random.fork_rng(devices=[]):
            generator = Generator(config)
        check_shapes(generator, shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}. Copy or make the file again.") from None
    generator.load_state_dict(_plain(tensors, path))
    check_hashed(metadata, path)
    return generator.eval().requires_grad_(False)


def load_discriminator(path: Path) -> dict[str, Tensor]:
    """Return the weights that `save_discriminator` wrote, as float32.

    Raises
    ------
    CheckpointError
        If they are no finite floating point numbers.
    DamagedError
        If they have no hash, or do not match it.
    """
    tensors, metadata = load_tensors(path, "discriminator")
    check_hashed(metadata, path)
    return _plain(tensors, path)


def generator_config(name: str | Path) -> NetworkConfig:
    """Return the sizes, labels and values of a generator, from a file or one that ships."""
    path = generator_path(name)
    return _config(load_tensors(path, "generator")[1], path)


def generator_path(name: str | Path) -> Path:
    """Return the file behind a path or the name of a bundled generator."""
    text = str(name)
    if text in _BUNDLED:
        return Path(
            str(resources.files("xraysynth.gan") / "bundled" / f"{_BUNDLED[text]}.safetensors")
        )
    guess = nearest(text, list(_BUNDLED)) if not Path(text).exists() else ""
    if guess:
        raise InputError(f"{text} is neither a file nor a bundled generator; did you mean {guess}?")
    return Path(text)


def partner_path(path: Path) -> Path:
    """Return where the discriminator of a generator's file lies, if it was kept."""
    return path.with_name(f"{path.stem}{_PARTNER}")


def discriminator_path(name: str | Path) -> Path | None:
    """Return the file of the discriminator trained with a generator, or None if it was not kept."""
    partner = partner_path(generator_path(name))
    return partner if partner.is_file() else None


def generator_hash(generator: Generator) -> str:
    """Return 16 hexadecimal digits that name these weights."""
    return tensors_hash(generator.state_dict())


def tensors_hash(tensors: dict[str, Tensor]) -> str:
    """Return the hash of tensors by name; half precision counts as the float32 it loads as."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().float().contiguous()
        digest.update(f"{name}{tuple(values.shape)}".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()[:16]


def _config(metadata: dict[str, Any], path: Path) -> NetworkConfig:
    """Return the network's config out of the metadata of its file.

    Generators of earlier versions, such as those that ship, have no hash of it.
    """
    if metadata.get("facts_hash", _facts_hash(metadata)) != _facts_hash(metadata):
        raise DamagedError(
            f"{path}: config and facts do not match their hash; copy or make the file again."
        )
    return settings_from_mapping(NetworkConfig, metadata.get("config", {}), f"{path}: config")


def _facts_hash(metadata: dict[str, Any]) -> str:
    """Return the hash of what is no tensor, as it will be read again."""
    plain = json.loads(json.dumps([metadata.get("config"), metadata.get("facts")]))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _plain(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return tensors as float32, or name the first that is no sane number."""
    for name in sorted(tensors):
        if not tensors[name].is_floating_point():
            raise CheckpointError(
                f"{path}: tensor {name[:80]} holds {tensors[name].dtype}; want floating point "
                "numbers."
            )
        if not bool(torch.isfinite(tensors[name].float()).all()):
            raise CheckpointError(
                f"{path}: tensor {name[:80]} holds values that are not finite; train again."
            )
    return {name: tensor.float() for name, tensor in tensors.items()}
