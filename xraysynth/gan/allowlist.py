"""The names that a checkpoint of a known layout may ask for, and what each becomes here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xraysynth.errors import CheckpointError
from xraysynth.gan.inert import BYTES_OF_A_COPY, AllowList, Budget, Maker, Record, plain_key

STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
CARRIERS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Numpy types that carry the bytes of an element; numpy itself has no bfloat16."""
MAX_AXES = 8

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
_RECORDS = frozenset({"argparse.Namespace", "dnnlib.util.EasyDict", "numpy.ndarray"})
_NAMES = frozenset(
    {f"torch.{kind}" for kind in ("float16", "float32", "float64", "bfloat16", "int64")}
    | {"torch.contiguous_format", "torch.channels_last", "builtins.object"}
)
_REFUSALS = {
    "dnnlib.tflib": (
        "it holds networks of the TensorFlow release; convert it to the PyTorch layout with that "
        "release's own tool first"
    ),
    "torch.jit": "it holds a compiled program (TorchScript), not weights; nothing was run",
    "__torch__": "it holds a compiled program (TorchScript), not weights; nothing was run",
    "torch.nn.modules": (
        "it holds whole modules instead of a state dict; save their state_dict() and import that"
    ),
}


@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers in a row, as bytes."""

    dtype: torch.dtype
    count: int
    read: Callable[[], bytes | memoryview]
    """Returns the bytes, `count` elements in all; only called when a tensor is wanted."""


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A view of a storage whose shape is known to lie within it; not in memory yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        """Type of an element."""
        return self.storage.dtype

    def read(self) -> torch.Tensor:
        """Return the tensor, in memory of its own."""
        return self.of(self.storage.read())

    def of(self, numbers: bytes | memoryview) -> torch.Tensor:
        """Return the tensor out of the bytes of its storage, in memory of its own."""
        carrier = np.dtype(CARRIERS[self.dtype.itemsize])
        row = np.frombuffer(numbers, carrier, self.storage.count)[self.offset :]
        stride = [step * carrier.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(row, self.shape, stride, writeable=False)
        return torch.from_numpy(np.array(view, order="C")).view(self.dtype)


def read_all(tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors by name; a storage that many of them view is read once.

    Raises
    ------
    CheckpointError
        If they have more elements than there are numbers: views of the same ones would unfold a
        file into many times its size.
    """
    sharing: dict[Storage, list[str]] = {}
    for name, tensor in tensors.items():
        sharing.setdefault(tensor.storage, []).append(name)
    wanted = sum(math.prod(tensor.shape) for tensor in tensors.values())
    held = sum(storage.count for storage in sharing)
    if wanted > held:
        raise CheckpointError(
            f"its tensors share numbers: they have {wanted} elements, of {held} numbers in the file"
        )
    for storage, names in sharing.items():
        numbers = storage.read()
        for name in names:
            yield name, tensors[name].of(numbers)


def allow_list(load_storage: Callable[[bytes], Any], budget: Budget) -> AllowList:
    """Return the list; `load_storage` reads a storage that is nested in a pickle as bytes."""

    def encoded(arguments: tuple[Any, ...]) -> bytes:
        # A text that the file holds once may be asked for as bytes any number of times.
        text = _instance(arguments[0], str)
        budget.spend(len(text) // BYTES_OF_A_COPY)
        return bytes(text.encode("latin1"))

    makers: dict[str, Maker] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda arguments: _instance(arguments[0], StoredTensor),
        "torch.storage._load_from_bytes": lambda arguments: load_storage(
            _instance(arguments[0], bytes)
        ),
        "torch.Size": _size,
        "torch.device": lambda arguments: None,
        PERSISTENT: _persistent,
        "_codecs.encode": encoded,
        "collections.OrderedDict": _dictionary,
    }
    for builtins in ("builtins", "__builtin__"):
        makers[f"{builtins}.set"] = lambda arguments: set()
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        makers[f"{core}.scalar"] = _scalar
        makers[f"{core}._reconstruct"] = lambda arguments: Record("numpy.ndarray")
    makers["numpy.dtype"] = lambda arguments: Record("numpy.dtype", {"code": arguments[0]})
    return AllowList(
        makers=makers,
        records=_RECORDS,
        names=_NAMES | frozenset(STORAGES),
        refusals=_REFUSALS,
    )


def _instance(value: Any, kind: type[Any]) -> Any:
    """Return a value of the kind that is wanted."""
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} for {kind.__name__}")
    return value


def _dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Return an ordered dictionary: empty, or (old writers) of a list of pairs."""
    pairs = _instance(arguments[0], list) if arguments else []
    return {plain_key(key): value for key, value in pairs}


def _size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape of a tensor."""
    sides = arguments[0]
    if not isinstance(sides, (tuple, list)) or len(sides) > MAX_AXES:
        raise TypeError("a shape that is no row of a few numbers")
    return _whole(tuple(sides))


def _persistent(arguments: tuple[Any, ...]) -> Record:
    """Return the attributes of a persistent object; its source text is left where it is."""
    meta = _instance(arguments[0], dict)
    state = _instance(meta["state"], dict)
    return Record(str(_instance(meta["class_name"], str)), state)


def _scalar(arguments: tuple[Any, ...]) -> float | None:
    """Return a numpy number, or None for a kind that no layer keeps."""
    code, raw = _instance(arguments[0], Record).state.get("code"), arguments[1]
    if code not in ("f8", "f4", "i8", "i4"):
        return None
    number = np.frombuffer(_instance(raw, bytes), np.dtype(f"<{code}"))
    return float(number.item())


def _tensor(arguments: tuple[Any, ...]) -> StoredTensor:
    """Return a view of a storage after checking that it lies within."""
    storage = _instance(arguments[0], Storage)
    offset, shape, stride = (_whole(value) for value in arguments[1:4])
    if len(shape) != len(stride) or len(shape) > MAX_AXES or len(offset) != 1:
        raise CheckpointError("a tensor in it has a shape that does not fit its strides")
    span = sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1
    # Fewer numbers than elements would be a view that unfolds into any amount of memory.
    if 0 in shape or offset[0] + span > storage.count or math.prod(shape) > storage.count:
        raise CheckpointError("a tensor in it reaches beyond its numbers")
    return StoredTensor(storage, offset[0], shape, stride)


def _whole(value: Any) -> tuple[int, ...]:
    """Return numbers that are whole and not negative."""
    numbers = value if isinstance(value, tuple) else (value,)
    if any(type(number) is not int or not 0 <= number < 2**48 for number in numbers):
        raise CheckpointError("a tensor in it has a size that is no whole number")
    return numbers
