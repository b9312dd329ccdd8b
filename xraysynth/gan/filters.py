"""The resampling filters of published networks: constants, of which ours know one."""

from __future__ import annotations

import numpy as np

from xraysynth.errors import CheckpointError
from xraysynth.gan.allowlist import StoredTensor, read_all

FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
_PRECISION = 1e-6


def without_filters(
    tensors: dict[str, StoredTensor], ending: str, *, any_gain: bool = False
) -> dict[str, StoredTensor]:
    """Leave out the tensors whose names end so, after checking that they are the known filter.

    Parameters
    ----------
    tensors : a network's, by name
    ending : of the names of filters
    any_gain : whether a layout keeps a filter multiplied by its gain

    Raises
    ------
    CheckpointError
        If a filter is another one.
    """
    filters = {name: tensor for name, tensor in tensors.items() if name.endswith(ending)}
    misfit = next((name for name, tensor in filters.items() if tensor.shape != (4, 4)), None)
    for name, tensor in read_all(filters) if misfit is None else ():
        values = tensor.double().numpy()
        gain = values.sum() if any_gain else 1.0
        if not gain > 0 or not np.abs(values / gain - FILTER).max() <= _PRECISION:
            misfit = name
    if misfit is not None:
        raise CheckpointError(
            f"its filter {misfit[:80]} is not [1, 3, 3, 1], the only one known here"
        )
    return {name: tensor for name, tensor in tensors.items() if name not in filters}
