"""Which floating-point numbers the networks compute with.

bfloat16 has float32's range with 8 significant bits, so it needs no loss scaling. It pays only
where the processor multiplies it in hardware: elsewhere it is emulated and slower than float32.
"""

from __future__ import annotations

from typing import Literal

import torch

from xraysynth.errors import InputError

Precision = Literal["auto", "float32", "bfloat16"]

_PROCESSOR_FLAGS = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16")
"""Any of these: matrix products of bfloat16 in hardware (x86, x86, x86, ARM)."""


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of activations on a device.

    Raises
    ------
    InputError
        If bfloat16 is asked for on an accelerator that lacks it.
    """
    fast = has_fast_bfloat16(device)
    if precision == "bfloat16" and not fast and device.type == "cuda":
        raise InputError(
            f"precision is bfloat16, but {torch.cuda.get_device_name(device)} does not compute "
            "with it; use auto or float32."
        )
    half = precision == "bfloat16" or (precision == "auto" and fast)
    return torch.bfloat16 if half else torch.float32


def has_fast_bfloat16(device: torch.device) -> bool:
    """Say whether the hardware multiplies matrices of bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    capabilities = _processor_capabilities()
    return torch.backends.mkldnn.is_available() and any(
        capabilities.get(flag, False) for flag in _PROCESSOR_FLAGS
    )


def _processor_capabilities() -> dict[str, object]:
    """Return what PyTorch found in the processor; older versions only tell of AVX-512."""
    if hasattr(torch.cpu, "get_capabilities"):
        return dict(torch.cpu.get_capabilities())
    avx512_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return {"avx512_bf16": avx512_bf16()}


def torch_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the accelerator if there is one.

    Raises
    ------
    InputError
        If CUDA is asked for and absent.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("device is cuda, but no CUDA device is available; use auto or cpu.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
