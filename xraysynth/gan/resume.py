"""A training run on disk: everything that it needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from xraysynth.errors import CheckpointError, DamagedError, SettingsError
from xraysynth.gan.checkpoint import load_tensors, save_tensors, tensors_hash
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.state import TrainState, assemble, new_discriminator
from xraysynth.gan.train_config import TrainConfig
from xraysynth.settings import Settings, settings_from_mapping


class Counters(Settings):
    """The numbers of a `TrainState`, by the names that they have there."""

    images_seen: int = Field(ge=0)
    step: int = Field(ge=0)
    grown_at: int = Field(ge=0)
    kept: int = Field(ge=0)
    augment_p: float = Field(ge=0, le=1)
    path_mean: float
    sign_sum: float
    dull_snapshots: int = Field(ge=0)


def save_state(path: Path, state: TrainState, key: str) -> None:
    """Write everything that a resumed run needs; `key` names the settings it belongs to."""
    tensors: dict[str, Tensor] = {}
    for name, module in _modules(state).items():
        tensors |= {f"{name}.{key_}": value for key_, value in module.state_dict().items()}
    for name, optimiser in _optimisers(state).items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{kind}": value for kind, value in moments.items()}
    metadata = {
        "kind": "training",
        "key": key,
        "config": state.generator.config.model_dump(mode="json"),
        "counters": {name: getattr(state, name) for name in Counters.model_fields},
        "hash": tensors_hash(tensors),
    }
    metadata["facts_hash"] = _facts_hash(metadata)
    save_tensors(path, tensors, metadata)


def load_state(path: Path, config: TrainConfig, key: str) -> TrainState:
    """Return the state that `save_state` wrote.

    Raises
    ------
    CheckpointError
        If it was saved under other settings, or by a version that kept other things.
    DamagedError
        If it does not match its hash, or its counters are impossible.
    """
    tensors, metadata = load_tensors(path, "training")
    if metadata.get("key") != key:
        raise CheckpointError(
            f"{path} was saved by a run with other settings, scans, seed or number of threads; "
            "choose another folder, or delete this one to start anew."
        )
    if not metadata.get("hash"):
        raise CheckpointError(_another_version(path, "it has no hash"))
    sizes, counters = _facts(path, metadata)
    if metadata.get("facts_hash") != _facts_hash(metadata):
        raise DamagedError(_changed(path, "config and counters do not match their hash."))
    state = assemble(config, Generator(sizes), new_discriminator(config, sizes), counters.kept)
    for name, module in _modules(state).items():
        saved = _below(tensors, name)
        if _shapes(saved) != _shapes(module.state_dict()):
            what = f"what it keeps as {name} is not what this one keeps"
            raise CheckpointError(_another_version(path, what))
        module.load_state_dict(saved)
    for name, optimiser in _optimisers(state).items():
        _load_moments(optimiser, _below(tensors, name))
    for name, value in counters:
        setattr(state, name, value)
    return state


def _another_version(path: Path, what: str) -> str:
    """Return the sentence for a state that this version would not have saved so."""
    return (
        f"{path} was saved by another version of xraysynth: {what}. Go on with that version, or "
        "start anew in another folder with `init` naming the checkpoint beside it."
    )


def _facts(path: Path, metadata: dict[str, Any]) -> tuple[NetworkConfig, Counters]:
    """Return sizes and counters out of the metadata of a file."""
    try:
        sizes = settings_from_mapping(NetworkConfig, metadata.get("config"), "config")  # type: ignore[arg-type]
        counters = settings_from_mapping(Counters, metadata.get("counters"), "counters")  # type: ignore[arg-type]
    except SettingsError as error:
        raise DamagedError(_changed(path, str(error))) from None
    return sizes, counters


def _facts_hash(metadata: dict[str, Any]) -> str:
    """Return the hash of what is no tensor."""
    text = json.dumps([metadata["config"], metadata["counters"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _changed(path: Path, how: str) -> str:
    """Return the sentence for a state whose facts are not those that were saved."""
    return (
        f"{path} was changed since it was saved: {how} Start anew in another folder, with `init` "
        "naming the checkpoint beside it."
    )


def _modules(state: TrainState) -> dict[str, nn.Module]:
    """Return the networks by the prefix they have in the file."""
    return {
        name: getattr(state, name) for name in ("generator", "discriminator", "average", "moments")
    }


def _optimisers(state: TrainState) -> dict[str, torch.optim.Adam]:
    """Return the optimisers by the prefix they have in the file."""
    names = ("generator_optimiser", "discriminator_optimiser")
    return {name: getattr(state, name) for name in names}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of a prefix, without it."""
    start_at = len(prefix) + 1
    return {
        name[start_at:]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")
    }


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shape of every tensor."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def _load_moments(optimiser: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Put saved moments back into an optimiser."""
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, kind = name.split(".")
        moments.setdefault(int(index), {})[kind] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
