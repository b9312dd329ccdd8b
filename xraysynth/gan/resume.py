"""A training run on disk: everything that it needs to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xraysynth.errors import CheckpointError
from xraysynth.gan.checkpoint import load_tensors, save_tensors
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.state import TrainState, assemble, new_discriminator
from xraysynth.gan.train_config import TrainConfig

_COUNTERS = (
    "images_seen",
    "step",
    "grown_at",
    "kept",
    "augment_p",
    "path_mean",
    "sign_sum",
    "dull_snapshots",
)


def save_state(path: Path, state: TrainState, key: str) -> None:
    """Write everything that a resumed run needs; `key` names the settings it belongs to."""
    tensors: dict[str, Tensor] = {}
    for name, module in _modules(state).items():
        tensors |= {f"{name}.{key_}": value for key_, value in module.state_dict().items()}
    for name, optimiser in _optimisers(state).items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{index}.{kind}": value for kind, value in moments.items()}
    counters = {name: getattr(state, name) for name in _COUNTERS}
    config = state.generator.config.model_dump(mode="json")
    save_tensors(
        path, tensors, {"kind": "training", "key": key, "config": config, "counters": counters}
    )


def load_state(path: Path, config: TrainConfig, key: str) -> TrainState:
    """Return the state that `save_state` wrote.

    Raises
    ------
    CheckpointError
        If it was saved under other settings, or by a version that kept other things.
    """
    tensors, metadata = load_tensors(path, "training")
    if metadata["key"] != key:
        raise CheckpointError(
            f"{path} was saved by a run with other settings, scans, seed or number of threads; "
            "choose another folder, or delete this one to start anew."
        )
    sizes = NetworkConfig.model_validate(metadata["config"])
    counters = metadata["counters"]
    kept = counters.get("kept", 0)
    state = assemble(config, Generator(sizes), new_discriminator(config, sizes), kept)
    for name, module in _modules(state).items():
        saved = _below(tensors, name)
        if _shapes(saved) != _shapes(module.state_dict()):
            raise CheckpointError(
                f"{path} was saved by another version of xraysynth: what it keeps as {name} is "
                "not what this one keeps. Go on with that version, or start anew in another folder "
                "with `init` naming the checkpoint beside it."
            )
        module.load_state_dict(saved)
    for name, optimiser in _optimisers(state).items():
        _load_moments(optimiser, _below(tensors, name))
    for name in _COUNTERS:
        setattr(state, name, counters.get(name, getattr(state, name)))
    return state


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
