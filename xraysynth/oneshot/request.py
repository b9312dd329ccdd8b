"""What a generator was asked for, as a bound on the labels of what it drew.

A request is exact: asked for a knife, a conditional generator draws a knife and none of the other
contents that it can be asked for. Those others are therefore ruled out of the labels of that scan.
What the generator cannot be asked for (bag, organic, ...) is never ruled out, and a scan that was
asked for nothing in particular is labelled as if there were no request.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xraysynth.gan.config import UNKNOWN


def ruled_out(
    class_names: Sequence[str], label_names: Sequence[str], asked: Tensor | None
) -> Tensor | None:
    """Return the classes that scans were not asked for, though they could have been.

    Parameters
    ----------
    class_names : names of the class ids; the first, the background, is never ruled out
    label_names : what the generator can be asked for, `NetworkConfig.label_names`
    asked : (n, labels)
        Multi-hot rows as the generator was given them; a row with "unknown" asks for nothing.

    Returns
    -------
    (n, classes) bool
        True where a class is ruled out; None if `asked` is None.

    Examples
    --------
    >>> labels = ("gun", "knife", "unknown")
    >>> asked = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> ruled_out(("background", "bag", "gun", "knife"), labels, asked).int().tolist()
    [[0, 0, 1, 0], [0, 0, 0, 0]]
    """
    if asked is None:
        return None
    known = {name.casefold(): place for place, name in enumerate(label_names) if name != UNKNOWN}
    result = torch.zeros(len(asked), len(class_names), dtype=torch.bool, device=asked.device)
    for class_id, name in enumerate(class_names):
        place = known.get(name.casefold())
        if class_id and place is not None:
            result[:, class_id] = asked[:, place] == 0
    if UNKNOWN in label_names:
        result &= (asked[:, list(label_names).index(UNKNOWN)] == 0)[:, None]
    return result


def without(scores: Tensor, ruled: Tensor | None) -> Tensor:
    """Return scores (n, K, H, W) with those of classes that are ruled out (n, K) at minus infinity.

    A softmax gives them a probability of exactly 0 and shares the rest among the others.
    """
    if ruled is None:
        return scores
    return scores.masked_fill(ruled.to(scores.device)[:, :, None, None], float("-inf"))
