"""Calling each function of the processor's vector maths once before threads do.

PyTorch takes square roots, exponentials and the like from Intel's library, which looks for its
kernel when a function is first called. Where two threads make that call at once, one of them may
get a kernel of low accuracy for its share, once: 1e-2 off in `exp`, and a training that starts so
ends in other bytes. Intel's 2024.2, which PyTorch ships, does this [1]_; 2025.0 does not.

References
----------
.. [1] https://github.com/pytorch/pytorch/issues/188792
"""

from __future__ import annotations

import torch

FUNCTIONS = (
    *("acos", "asin", "atan", "cos", "erf", "erfc", "erfinv", "exp", "expm1", "log", "log10"),
    *("log1p", "log2", "sin", "sqrt", "tan", "tanh", "trunc"),
)
"""All that any version of PyTorch takes from the library."""


@torch.no_grad()
def call_each_once() -> None:
    """Call every function for one value, which no threads share, in both precisions.

    Takes less than a millisecond; from then on each call finds the right kernel.
    """
    for dtype in (torch.float32, torch.float64):
        value = torch.full((1,), 0.5, dtype=dtype, device="cpu")
        for name in FUNCTIONS:
            getattr(torch, name)(value)
