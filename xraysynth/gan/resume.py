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
from xraysynth.gan.sizes import check_size, discriminator_numbers, generator_numbers
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
    """Write everything that a resumed run needs; `key` says, as JSON, which settings it had."""
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
        If it does not match its hash, its counters are impossible, or its numbers not finite.
    """
    tensors, metadata = load_tensors(path, "training")
    if metadata.get("key") != key:
        raise CheckpointError(
            f"{path} was saved by a run with other settings{_differing(metadata.get('key'), key)}; "
            "choose another folder, or delete this one to start anew."
        )
    if not metadata.get("hash"):
        raise CheckpointError(_another_version(path, "it has no hash"))
    sizes, counters = _facts(path, metadata)
    if metadata.get("facts_hash") != _facts_hash(metadata):
        raise DamagedError(_changed(path, "config and counters do not match their hash."))
    _check_numbers(path, tensors, sizes, counters)
    state = assemble(config, Generator(sizes), new_discriminator(config, sizes), counters.kept)
    for name, module in _modules(state).items():
        saved = _below(tensors, name)
        if _kinds(saved) != _kinds(module.state_dict()):
            raise CheckpointError(_another_version(path, _other(name)))
        module.load_state_dict(saved)
    for name, optimiser in _optimisers(state).items():
        _load_moments(path, name, optimiser, _below(tensors, name))
    for name, value in counters:
        setattr(state, name, value)
    return state


def _differing(saved: object, wanted: str) -> str:
    """Return the first settings in which two runs differ, if that can be told.

    Examples
    --------
    >>> _differing('{"batch": 4, "seed": 0}', '{"batch": 8, "seed": 0}')
    ': batch was 4 and is 8'
    >>> _differing("key", "another")
    ''
    """
    try:
        before, now = _flat(json.loads(str(saved))), _flat(json.loads(wanted))
    except (ValueError, AttributeError, RecursionError):
        return ""
    names = sorted(name for name in now if before.get(name) != now[name])
    told = [
        f"{name} was {str(before.get(name))[:60]} and is {str(now[name])[:60]}" for name in names
    ]
    return f": {', '.join(told[:3])}" + (f" and {len(told) - 3} more" if len(told) > 3 else "")


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return flat


def _another_version(path: Path, what: str) -> str:
    """Return the sentence for a state that this version would not have saved so."""
    return (
        f"{path} was saved by another version of xraysynth: {what}. Go on with that version, or "
        "start anew in another folder with `init` naming the checkpoint beside it."
    )


def _other(name: str) -> str:
    """Return the reason that something of a state does not fit."""
    return f"what it keeps as {name} is not what this one keeps"


def _check_numbers(
    path: Path, tensors: dict[str, Tensor], sizes: NetworkConfig, counters: Counters
) -> None:
    """Refuse what no run saves, before memory is taken for networks of these sizes."""
    told = sizes.model_copy(update={"clutter": ()})  # Of clutter it may know nothing.
    least = {
        "generator": generator_numbers(sizes),
        "average": generator_numbers(sizes),
        "discriminator": discriminator_numbers(told),
    }
    try:
        for name, wanted in least.items():
            shapes = {key: tuple(tensor.shape) for key, tensor in _below(tensors, name).items()}
            check_size(wanted, shapes)
    except CheckpointError as error:
        raise DamagedError(_changed(path, f"{error}.")) from None
    if counters.kept not in (0, *sizes.resolutions[:-1]):
        raise DamagedError(
            _changed(
                path,
                f"counters.kept is {counters.kept}; want 0 or a resolution below {sizes.resolution}"
                " that the network has.",
            )
        )
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DamagedError(
                _changed(path, f"tensor {name[:80]} holds values that are not finite.")
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


def _kinds(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Return shape and type of every tensor."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _load_moments(
    path: Path, prefix: str, optimiser: torch.optim.Adam, tensors: dict[str, Tensor]
) -> None:
    """Put saved moments back into an optimiser; what did not learn yet has none."""
    learning = [part for group in optimiser.param_groups for part in group["params"]]
    known = {str(index): part for index, part in enumerate(learning)}
    moments: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, kind = name.partition(".")
        moments.setdefault(index, {})[kind] = tensor
    for index, saved in moments.items():
        if index not in known or _kinds(saved) != _kinds(_fresh_moments(known[index])):
            what = _other(f"{prefix}.{index[:20]}")
            raise CheckpointError(_another_version(path, what))
    state = {int(index): saved for index, saved in moments.items()}
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _fresh_moments(parameter: Tensor) -> dict[str, Tensor]:
    """Return what Adam keeps of a parameter, by name; no memory is taken for it."""
    like = torch.empty_like(parameter, device="meta")
    return {"step": torch.empty((), device="meta"), "exp_avg": like, "exp_avg_sq": like}
