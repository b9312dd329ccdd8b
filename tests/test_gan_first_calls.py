"""What PyTorch computes does not depend on which thread came first."""

from __future__ import annotations

import subprocess
import sys

import pytest
from torch.overrides import TorchFunctionMode

from xraysynth.gan.first_calls import FUNCTIONS, call_each_once

FIRST_CALL = """
import torch
import xraysynth.{room}
torch.set_num_threads(2)
values = torch.linspace(0.1, 5, 1 << 14)
for _ in range(50):  # The second thread is awake.
    values.square().add_(values)
first, second = torch.exp(values), torch.exp(values)
raise SystemExit(not torch.equal(first, second))
"""


class Called(TorchFunctionMode):
    """Remembers what was called, with which precision."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str, int]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if func.__name__ in FUNCTIONS:
            self.calls.append((func.__name__, str(result.dtype), result.numel()))
        return result


def test_every_function_is_called_in_both_precisions_for_one_value() -> None:
    with Called() as called:
        call_each_once()
    expected = [
        (name, precision, 1)
        for precision in ("torch.float32", "torch.float64")
        for name in FUNCTIONS
    ]
    assert called.calls == expected


@pytest.mark.parametrize("room", ["gan.losses", "oneshot.refine", "evaluate.oracle"])
def test_first_call_of_a_process_is_exact(room: str) -> None:
    code = FIRST_CALL.format(room=room)
    for _ in range(2):  # One process in four was wrong without.
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("room", ["gan.pace", "oneshot.doubling", "oneshot.request", "evaluate"])
def test_no_room_computes_before(room: str) -> None:
    code = f"import sys, xraysynth.{room}; sys.exit('xraysynth.gan.first_calls' not in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
